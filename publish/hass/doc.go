// Package hass makes the messages by which Home Assistant finds a device and its cameras: device-based discovery over
// MQTT, which Home Assistant has since release 2024.11.
//
// There is one device for the board and one for each camera, below these topics, all retained:
//
//	homeassistant/device/facesieve_<device>/board/config
//	homeassistant/device/facesieve_<device>/camera_<camera>/config
//
// The level facesieve_<device> lets an access control of the broker permit exactly these topics, and lets a device find
// what it has published in an earlier run. Names are escaped, see escape, so that no two share an id. An empty message
// removes a device in Home Assistant.
//
// The entities read the topics of package event. Only the event of a face reads the large message; the sensors read the
// state of the camera.
package hass
