// Command recogniser reports what a recogniser makes of each face: recogniser BROKER NAME COMMAND [ARGUMENT ...].
//
// COMMAND gets the image on its standard input. Its exit status is 0 for a match, 1 if the person is enrolled and was
// not identified, 3 if the person is not enrolled (nothing is reported), and another one if the image cannot be used.
// NAME is name and version of the recogniser.
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"os/exec"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"facesieve/publish/event"
)

func main() {
	if len(os.Args) < 4 {
		log.Fatal("usage: recogniser BROKER NAME COMMAND [ARGUMENT ...]")
	}
	faces := make(chan event.Face, 100) // an acknowledgement must not wait for the recogniser
	options := mqtt.NewClientOptions().AddBroker(os.Args[1]).SetOnConnectHandler(func(c mqtt.Client) {
		c.Subscribe("facesieve/+/+/face", 1, func(_ mqtt.Client, m mqtt.Message) {
			if face, err := event.DecodeFace(m.Payload()); err != nil {
				log.Printf("%s: %v", m.Topic(), err)
			} else {
				faces <- face
			}
		})
	})
	client := mqtt.NewClient(options)
	if token := client.Connect(); token.Wait() && token.Error() != nil {
		log.Fatal(token.Error())
	}
	for face := range faces {
		if err := report(client, face, recognise(face.Image.Data, os.Args[3:])); err != nil {
			log.Print(err)
		}
	}
}

// recognise returns the outcome for an image; empty: the person is not enrolled.
func recognise(image []byte, command []string) string {
	recogniser := exec.Command(command[0], command[1:]...) //nolint:gosec // the user names the command
	recogniser.Stdin = bytes.NewReader(image)
	_ = recogniser.Run() // the exit status is the outcome
	if recogniser.ProcessState == nil {
		return event.OutcomeUnusable
	}
	switch recogniser.ProcessState.ExitCode() {
	case 0:
		return event.OutcomeMatch
	case 1:
		return event.OutcomeNoMatch
	case 3:
		return ""
	default:
		return event.OutcomeUnusable
	}
}

func report(client mqtt.Client, face event.Face, outcome string) error {
	if outcome == "" {
		return nil
	}
	payload, err := event.EncodeFeedback(event.Feedback{
		Schema: event.Version, ID: face.ID, Outcome: outcome, Recogniser: os.Args[2],
	})
	if err != nil {
		return err
	}
	topic := event.NewTopics("facesieve/" + face.Device).Feedback(face.Camera)
	if token := client.Publish(topic, 1, false, payload); token.Wait() && token.Error() != nil {
		return token.Error()
	}
	fmt.Printf("%s/%s: %s %s\n", face.Device, face.Camera, face.ID, outcome)
	return nil
}
