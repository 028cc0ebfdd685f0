package daemon

import (
	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/publish/event"
)

// observedUplink records what an uplink accepts.
type observedUplink struct {
	pipeline.Uplink
	activity *activity
	reports  *reports
}

// Publish accepts the event of a face.
func (u observedUplink) Publish(e event.Face) error {
	err := u.Uplink.Publish(e)
	if err == nil {
		u.activity.accepted(e)
		u.reports.sent(e)
	}
	return err
}

// Reject accepts the report of a rejected visit.
func (u observedUplink) Reject(e event.Rejected) error {
	u.reports.rejected(e)
	return u.Uplink.Reject(e)
}
