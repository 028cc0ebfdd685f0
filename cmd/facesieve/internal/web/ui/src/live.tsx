import { useState } from "preact/hooks"
import type { Camera, LiveFace, State } from "./api"
import { Cameras } from "./cameras"
import { clock, plural, scoreText } from "./format"
import { useLive } from "./hooks"
import { Measure, type Box } from "./measure"
import { Overlay } from "./overlay"
import { RegionEditor, useRegionEdit } from "./region"

export function LiveView({ state, name }: { state: State; name: string }) {
  const camera = state.cameras.find((one) => one.name === name) ?? state.cameras[0]
  if (!camera) return <p>No camera is configured.</p>
  return (
    <>
      <Cameras view="live" cameras={state.cameras} shown={camera} />
      <CameraView key={camera.name} camera={camera} state={state} />
    </>
  )
}

function CameraView({ camera, state }: { camera: Camera; state: State }) {
  const picture = useLive(camera.name)
  const [box, setBox] = useState<Box | null>(null)
  const [tool, setTool] = useState<"measure" | "regions">("measure")
  const edit = useRegionEdit(camera.limits)
  const faces = picture?.faces ?? []
  return (
    <section class="live" aria-label={`Camera ${camera.name}`}>
      <div class="stage">
        {camera.state !== "running" && <Fault camera={camera} />}
        {picture ? (
          <figure class="picture" style={{ maxWidth: `calc((100vh - 10rem) * ${picture.width / picture.height})` }}>
            <img src={`data:image/jpeg;base64,${picture.jpeg}`} alt={`Newest picture of ${camera.name}`} />
            <Overlay picture={picture} regions={edit.regions} box={box} onBox={setBox}
              edit={tool === "regions" ? edit : null} />
          </figure>
        ) : (
          <p class="empty">{camera.state === "running" ? "Waiting for a picture…" : "There is no picture."}</p>
        )}
        {picture && (
          <p class="caption">
            {picture.width} × {picture.height} pixels, {clock(picture.time)}
            {picture.analysed ? `, ${plural(faces.length, "face")}` : ", nothing moves"}
          </p>
        )}
      </div>
      {picture && (
        <div class="side">
          <div class="buttons" role="group" aria-label="Tools">
            <button type="button" aria-pressed={tool === "measure"} onClick={() => setTool("measure")}>
              Pixel counter
            </button>
            <button type="button" aria-pressed={tool === "regions"} onClick={() => setTool("regions")}>
              Region and masks
            </button>
          </div>
          {tool === "measure" ? (
            <Measure box={box} onBox={setBox} picture={picture} limits={camera.limits} />
          ) : (
            <RegionEditor camera={camera.name} edit={edit} control={state.control}
              overridden={(state.overridden[camera.name] ?? []).some((key) => key.startsWith("detect."))} />
          )}
          {faces.length > 0 && <FaceTable faces={faces} limit={camera.limits.threshold} />}
        </div>
      )}
    </section>
  )
}

function Fault({ camera }: { camera: Camera }) {
  return (
    <p class="fault" role="status">
      {camera.state}
      {camera.error && `: ${camera.error}`}
      {camera.next_try && ` (next try at ${clock(camera.next_try)})`}
    </p>
  )
}

function FaceTable({ faces, limit }: { faces: LiveFace[]; limit: number }) {
  return (
    <div class="scroll">
      <table>
        <caption>Faces in the picture; the threshold is {limit}</caption>
        <thead>
          <tr>
            <th>Visit</th>
            <th>Score</th>
            <th>Pixels</th>
            <th>Result</th>
          </tr>
        </thead>
        <tbody>
          {faces.map((face) => (
            <tr key={`${face.visit} ${face.box[0]}`}>
              <td>
                <a href={`#visits/${face.visit}`}>{face.visit}</a>
              </td>
              <td>{scoreText(face.score)}</td>
              <td>
                {face.box[2].toFixed(0)} × {face.box[3].toFixed(0)}
              </td>
              <td>{face.reason === "duplicate" ? "no better than before" : face.text || "can be sent"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
