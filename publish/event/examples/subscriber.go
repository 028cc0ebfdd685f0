// Command examples prints the score of each face and saves its image here: examples [BROKER].
package main

import (
	"cmp"
	"fmt"
	"log"
	"os"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"facesieve/publish/event"
)

func main() {
	broker := "tcp://127.0.0.1:1883"
	if len(os.Args) > 1 {
		broker = os.Args[1]
	}
	options := mqtt.NewClientOptions().AddBroker(broker).SetOnConnectHandler(func(c mqtt.Client) {
		c.Subscribe("facesieve/+/+/face", 1, save) // again after a reconnection, which the client makes by itself
	})
	if token := mqtt.NewClient(options).Connect(); token.Wait() && token.Error() != nil {
		log.Fatal(token.Error())
	}
	select {}
}

func save(_ mqtt.Client, m mqtt.Message) {
	face, err := event.DecodeFace(m.Payload()) // accepts schema versions 2 and 3, ignores added fields
	if err == nil {
		visit := cmp.Or(face.Visit.ID, "unknown") // version 2 has none
		fmt.Printf("%s/%s: visit %s, score %.1f\n", face.Device, face.Camera, visit, face.Quality.Score)
		err = os.WriteFile(face.ID+"."+face.Image.Encoding, face.Image.Data, 0o600)
	}
	if err != nil {
		log.Printf("%s: %v", m.Topic(), err)
	}
}
