import { save, undo, type Calibration, type State } from "./api"
import { Calibrate } from "./calibrate"
import { Cameras } from "./cameras"
import { usePoll } from "./hooks"

interface Answer {
  revision: string
  data: Calibration
}

// CalibrateView loads the visits of a camera, and saves what its Calibrate view changes.
export function CalibrateView({ state, name }: { state: State; name: string }) {
  const camera = state.cameras.find((one) => one.name === name) ?? state.cameras[0]
  if (!camera) return <p>No camera is configured.</p>
  return (
    <>
      <Cameras view="calibrate" cameras={state.cameras} shown={camera} />
      <Loaded key={camera.name} state={state} camera={camera.name} />
    </>
  )
}

function Loaded({ state, camera }: { state: State; camera: string }) {
  const { data: answer, error } = usePoll<Answer>(
    (last) => `/api/calibration?${new URLSearchParams({ camera, revision: last?.revision ?? "" })}`,
    1500,
    camera,
  )
  const control = { state: state.control, overridden: state.overridden[camera] ?? [], save, undo }
  return (
    <>
      {error && (
        <p class="fault" role="alert">
          {error}
        </p>
      )}
      {!answer && !error && <p>Loading…</p>}
      {answer && <Calibrate data={answer.data} control={control} />}
    </>
  )
}
