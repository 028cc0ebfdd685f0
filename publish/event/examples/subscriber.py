"""Prints the score of each face and saves its image here: subscriber.py [HOST [PORT]]. Needs paho-mqtt 2."""

import base64
import json
import sys
import uuid
from pathlib import Path

import paho.mqtt.client as mqtt


def on_connect(client, userdata, flags, reason, properties):
    """Subscribe, also after a reconnection."""
    if reason.is_failure:
        sys.exit(f"connection refused: {reason}")
    client.subscribe("facesieve/+/+/face", qos=1)


def on_message(client, userdata, message):
    """Print and save a face, and ignore fields that are added later."""
    face = json.loads(message.payload)
    if face["schema"] not in (2, 3):
        print(f"{message.topic}: unknown schema version {face['schema']}", flush=True)
        return
    visit = face["visit"]["id"] if face["schema"] >= 3 else "unknown"  # version 2 has none
    score = face["quality"]["score"]
    print(f"{face['device']}/{face['camera']}: visit {visit}, score {score:.1f}", flush=True)
    suffix = ".png" if face["image"]["encoding"] == "png" else ".jpeg"
    Path(f"{uuid.UUID(face['id'])}{suffix}").write_bytes(base64.b64decode(face["image"]["data"]))


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
client.on_connect, client.on_message = on_connect, on_message
client.connect(*sys.argv[1:2] or ["127.0.0.1"], *map(int, sys.argv[2:3]))
client.loop_forever()  # reconnects by itself
