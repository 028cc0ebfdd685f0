"""Parses the messages in discovery.json with the code of Home Assistant itself, and prints what it has found.

Home Assistant is too large for the tests, so this runs by hand after a change of the messages:

    python3.13 -m venv /tmp/ha && /tmp/ha/bin/pip install homeassistant paho-mqtt
    /tmp/ha/bin/python publish/hass/testdata/validate.py

Last run with homeassistant 2025.4.4. The exit code is 1 if Home Assistant refuses or ignores an option.
"""

import asyncio
import importlib
import json
import pathlib
import sys
import tempfile

from homeassistant.components.mqtt import discovery
from homeassistant.components.mqtt.schemas import DEVICE_DISCOVERY_SCHEMA
from homeassistant.const import __version__
from homeassistant.core import HomeAssistant


def check(topic: str, message: dict) -> bool:
    """Prints what is in a message, and returns whether Home Assistant uses all of it."""
    match = discovery.TOPIC_MATCHER.match(topic.removeprefix("homeassistant/"))
    good = match is not None and match.group("component") == "device"
    DEVICE_DISCOVERY_SCHEMA(message)
    entities = []
    for name, component in message["components"].items():
        platform = component.pop("platform")
        if not component:
            continue
        component.update(device=message["device"], origin=message["origin"])
        discovery._merge_common_device_options(component, message)
        schema = importlib.import_module(f"homeassistant.components.mqtt.{platform}").DISCOVERY_SCHEMA
        if ignored := set(component) - set(schema(component)):
            good = False
            print(f"{topic}: {name}: ignored options {ignored}")
        entities.append(f"{platform} {name}")
    print(f"{topic}: {', '.join(entities)}")
    return good


async def main() -> int:
    """Check each message of discovery.json, and return 0 if Home Assistant accepts all."""
    messages = json.loads((pathlib.Path(__file__).parent / "discovery.json").read_text())
    print("homeassistant", __version__)
    with tempfile.TemporaryDirectory() as directory:
        hass = HomeAssistant(directory)  # templates need one
        results = [check(topic, message) for topic, message in messages.items()]
        await hass.async_stop(force=True)
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
