package publish

import "facesieve/publish/event"

// OnFeedback subscribes to what recognisers report, and calls handle for each message, one at a time; handle must
// return at once, and may keep nothing of the message.
func (p *Publisher) OnFeedback(handle func(event.FeedbackMessage)) {
	p.feedback.Store(&handle)
	p.wakeSession()
}

// receiveInbound passes a command or feedback to its handler. It reports whether the topic is one of them.
func (p *Publisher) receiveInbound(topic string, retained bool, payload []byte) bool {
	return p.receiveCommand(topic, retained, payload) || p.receiveFeedback(topic, retained, payload)
}

// receiveFeedback passes a message to its handler. It reports whether the topic is one of feedback.
func (p *Publisher) receiveFeedback(topic string, retained bool, payload []byte) bool {
	handle := p.feedback.Load()
	camera, ok := p.topics.ParseFeedback(topic)
	if !ok || handle == nil {
		return false
	}
	if len(payload) > 0 { // an empty one clears a retained message
		(*handle)(event.FeedbackMessage{Camera: camera, Payload: payload, Retained: retained})
	}
	return true
}
