import type { ComponentChildren } from "preact"
import { useState } from "preact/hooks"
import type { Camera, State } from "./api"
import { bytes, clock, count, dateAndClock, plural } from "./format"
import { usePoll } from "./hooks"

export function StateView({ state }: { state: State }) {
  return (
    <>
      <section>
        <h2>Cameras</h2>
        {state.cameras.map((camera) => (
          <CameraState key={camera.name} camera={camera} />
        ))}
      </section>
      <div class="columns">
        <Broker state={state} />
        <Configuration state={state} />
        <Networks state={state} />
        <section>
          <h2>Versions</h2>
          <dl>
            <Row name="facesieve">{state.versions.program}</Row>
            <Row name="OpenCV">{state.versions.opencv}</Row>
            <Row name="TFLite">{state.versions.tflite}</Row>
          </dl>
        </section>
      </div>
    </>
  )
}

function Row({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  )
}

function CameraState({ camera }: { camera: Camera }) {
  const degraded = camera.state === "running" && camera.health?.state === "degraded"
  return (
    <article class="camera">
      <h3>
        <span class={`dot ${degraded ? "reconnecting" : camera.state}`} /> {camera.name}: {camera.state}
        {degraded && ", picture degraded"}
      </h3>
      {camera.error && camera.state !== "running" && (
        <p class="fault">
          {camera.error}
          {camera.next_try && ` (next try at ${clock(camera.next_try)})`}
        </p>
      )}
      {camera.health?.state === "degraded" && (
        <p class="fault">
          Since {dateAndClock(camera.health.since)}: {camera.health.detail}
        </p>
      )}
      <dl>
        <Row name="Picture">
          {camera.width ? `${camera.width} × ${camera.height} pixels, ${camera.fps.toFixed(1)} a second` : "none yet"}
          {camera.health?.state === "learning" && "; what is usual is being learned"}
          {camera.health?.state === "ok" && ", as usual"}
        </Row>
        <Row name="Frames">
          {count(camera.captured)} captured, {count(camera.analysed)} analysed, {count(camera.dropped)} replaced by newer ones
        </Row>
        <Row name="Faces">
          {count(camera.judged)} judged, {count(camera.sent)} sent
        </Row>
        <Row name="Reconnects">{count(camera.reconnects)}</Row>
        <Row name="Settings">
          policy {camera.limits.policy}, threshold {camera.limits.threshold}, {camera.limits.min_eye_distance} pixels between
          the eyes
        </Row>
      </dl>
      {camera.stages.length > 0 && (
        <div class="scroll">
          <table>
            <caption>Time of each stage, mean since the start</caption>
            <thead>
              <tr>
                {camera.stages.map((stage) => (
                  <th key={stage.name}>{stage.name}</th>
                ))}
              </tr>
            </thead>
            <tbody>
              <tr>
                {camera.stages.map((stage) => (
                  <td key={stage.name}>{stage.mean_ms.toFixed(2)} ms</td>
                ))}
              </tr>
            </tbody>
          </table>
        </div>
      )}
    </article>
  )
}

function Broker({ state: { broker, outbox } }: { state: State }) {
  return (
    <section>
      <h2>Delivery</h2>
      <dl>
        <Row name="Broker">
          <span class={`dot ${broker.connected && !broker.denied && !broker.stuck ? "running" : "reconnecting"}`} />{" "}
          {broker.connected ? "connected" : "not connected"}
          {broker.stuck && ", does not respond"}
          {!broker.connected && broker.error && `: ${broker.error}`}
          {broker.denied && `, discards messages: ${broker.denied}`}
        </Row>
        <Row name="Last hour">{plural(broker.faces_last_hour, "face")}</Row>
        <Row name="Outbox">
          {plural(outbox.queued, "event")} of at most {count(outbox.max_events)}, {bytes(outbox.bytes)} of{" "}
          {outbox.max_mib} MiB on {outbox.store}
          {outbox.held > 0 && `; ${plural(outbox.held, "event")} in memory only, because the disk takes none`}
        </Row>
        <Row name="Delivered">{count(outbox.delivered)}</Row>
        <Row name="Lost">{count(outbox.dropped + outbox.refused)}</Row>
      </dl>
    </section>
  )
}

function Configuration({ state: { reload } }: { state: State }) {
  const refused = reload.faults.length > 0
  const [open, setOpen] = useState(false)
  return (
    <section>
      <h2>Configuration</h2>
      <p>
        {reload.at
          ? `Read again at ${dateAndClock(reload.at)}: ${refused ? "refused, the former one stays in force" : "in force"}.`
          : "Not changed since the start."}
      </p>
      {refused && (
        <ul class="fault">
          {reload.faults.map((fault) => (
            <li key={fault}>{fault}</li>
          ))}
        </ul>
      )}
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>In force, with the origin of every value</summary>
        {open && <InForce />}
      </details>
    </section>
  )
}

function InForce() {
  const { data, error } = usePoll<{ yaml: string }>(() => "/api/configuration", 5000)
  return <pre tabIndex={0}>{data?.yaml ?? error}</pre>
}

function Networks({ state }: { state: State }) {
  return (
    <section>
      <h2>Networks</h2>
      <dl>
        {state.networks.map((network) => (
          <Row key={network.task} name={network.task}>
            {network.name} {network.version} <code title={network.sha256}>{network.sha256.slice(0, 12)}</code>
          </Row>
        ))}
        <Row name="Runs on">{state.delegate}</Row>
      </dl>
      {state.refused.map((reason) => (
        <p key={reason} class="fault">
          The accelerator is refused, the CPU is used: {reason}
        </p>
      ))}
    </section>
  )
}
