"""Reports what a recogniser makes of each face: recogniser.py HOST PORT NAME COMMAND [ARGUMENT ...].

COMMAND gets the image on its standard input. Its exit status is 0 for a match, 1 if the person is enrolled
and was not identified, 3 if the person is not enrolled (nothing is reported), and another one if the image
cannot be used. NAME is name and version of the recogniser. Needs paho-mqtt 2.
"""

import base64
import json
import subprocess
import sys

import paho.mqtt.client as mqtt

host, port, name, *command = sys.argv[1:]
OUTCOMES = {0: "match", 1: "no_match", 3: None}


def on_connect(client, userdata, flags, reason, properties):
    """Subscribe, also after a reconnection."""
    if reason.is_failure:
        sys.exit(f"connection refused: {reason}")
    client.subscribe("facesieve/+/+/face", qos=1)


def on_message(client, userdata, message):
    """Recognise a face and report the outcome."""
    face = json.loads(message.payload)
    image = base64.b64decode(face["image"]["data"])
    status = subprocess.run(command, input=image, check=False).returncode  # noqa: S603 - the user's command
    outcome = OUTCOMES.get(status, "unusable")
    if outcome is None:
        return
    report = {"schema": 3, "id": face["id"], "outcome": outcome, "recogniser": name}
    client.publish(message.topic.removesuffix("/face") + "/feedback", json.dumps(report), qos=1)
    print(f"{face['device']}/{face['camera']}: {face['id']} {outcome}", flush=True)


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
client.on_connect, client.on_message = on_connect, on_message
client.connect(host, int(port))
client.loop_forever()  # reconnects by itself
