// The answers of the server; the Go types of the same names are in package web.

export interface Limits {
  policy: string
  threshold: number
  min_face: number // longer side, pixels of the frame
  min_eye_distance: number // pixels of the frame
  roi: [number, number][] | null // corners, shares of width and height
  masks: [number, number][][]
}

export interface Camera {
  name: string
  state: "running" | "reconnecting" | "stopped"
  error: string
  next_try: string | null
  width: number
  height: number
  fps: number
  captured: number
  dropped: number
  reconnects: number
  analysed: number
  judged: number
  sent: number
  stages: { name: string; calls: number; mean_ms: number }[]
  limits: Limits
  health: { state: "learning" | "ok" | "degraded"; since: string; detail: string } | null
}

export interface State {
  time: string
  device: string
  versions: { program: string; opencv: string; tflite: string }
  cameras: Camera[]
  networks: { task: string; name: string; version: string; sha256: string; license: string }[]
  delegate: string
  refused: string[]
  broker: { connected: boolean; since: string; error: string; denied: string; stuck: boolean; faces_last_hour: number }
  outbox: {
    store: string
    queued: number
    held: number
    bytes: number
    max_events: number
    max_mib: number
    delivered: number
    dropped: number
    refused: number
  }
  reload: { at: string | null; faults: string[] }
  control: ControlState
  overridden: Record<string, string[]> // the keys that are overridden now, by camera
  unpictured: number
}

export interface VisitSummary {
  number: number
  id: string
  camera: string
  first: string
  last: string
  frames: number
  faces: number
  tracks: number
  face: number // number of the picture, 0: none
  score: number // -1: not assessed
  state: "open" | "sent" | "rejected"
  sent: number
  reason: string
  text: string
  recording?: string // in a report of several
}

export interface Point {
  time: string
  score: number // -1: not assessed
  reason: string
  text: string
}

export interface VisitDetail extends VisitSummary {
  sent_at: string | null
  policy: string
  labels: Record<string, number> | null
  components: Record<string, number> | null
  points: Point[]
  pictures: (Point & { face: number; sent: boolean; detail: string })[]
}

// The visits of one camera with the measures of their faces; see Calibration in calibration.go.
export interface Calibration {
  camera: string
  watched_s: number
  settings: CalibrationSettings // in force
  gates: CalibrationGate[]
  curve: ErrorCurve | null
  feedback?: Feedback // missing: feedback is not enabled
  visits: CalibrationVisit[]
}

// What was learned from the reports of recognisers, as feedback.Snapshot.
export interface Feedback {
  recogniser: string // with the most reports; empty: none has reported
  reports: number
  hours: number
  curve: { score: number; probability: number; low: number; high: number; reports: number }[]
  network: number[] // the probability that the manifest states, of each point of curve
  share?: { value: number; low: number; high: number } // of the faces from threshold on that are matched
  auto: boolean
  target?: number
  threshold: number
  waiting?: string // why the threshold does not move
  fates: Record<string, number>
}

export interface CalibrationSettings {
  policy: string
  threshold: number
  gates: number[] // the limits, in the order of Calibration.gates
  max_wait_s: number
  static_s: number
}

export interface CalibrationGate {
  key: string // in section quality
  reason: string
  low: number
  high: number
  at_most: boolean
}

// The false-non-match rate to expect if only faces with at least a score are kept, at the false-match rate fmr.
export interface ErrorCurve {
  fmr: number
  set: string
  score: number[]
  kept: number[] // share of the faces of the set
  fnmr: number[]
  pairs?: number // mated pairs of the set
}

export interface CalibrationVisit {
  number: number
  first: string
  state: "open" | "sent" | "rejected"
  reason: string
  face: number // number of the picture, 0: none
  faces: CalibrationRow[]
}

// Milliseconds since the visit's first frame, score, flags, number of the picture (0: none), then the measure of each
// gate. Score and measures are in thousandths, a score of -1 is none.
export type CalibrationRow = [at: number, score: number, flags: number, picture: number, ...measures: (number | null)[]]

// The settings of a camera to save, as config.CameraOverride. null: the setting of the file applies again.
export interface Override {
  camera: string
  quality?: {
    threshold?: number | "auto" | null
    policy?: string | null
    gates?: Record<string, number | null>
  }
  detect?: { roi?: [number, number][] | null; masks?: [number, number][][] | null }
}

// What the page may change. fix says how to allow it; empty: it is allowed.
export interface ControlState {
  enabled: boolean
  fix: string
  can_undo: boolean
}

export interface LiveFace {
  box: [number, number, number, number]
  landmarks: [number, number][]
  score: number
  reason: string
  text: string
  visit: number
}

export interface LivePicture {
  camera: string
  time: string
  width: number
  height: number
  analysed: boolean
  faces: LiveFace[] | null
  jpeg: string // base64
}

export const faceAddress = (number: number): string => `/api/faces/${number}`

// save stores an override. The message of an error has a line for each fault.
export const save = (override: Override): Promise<void> => post("/api/overrides", override)

// undo restores the overrides before the last save.
export const undo = (): Promise<void> => post("/api/overrides/undo", {})

async function post(address: string, body: unknown): Promise<void> {
  let answer: Response
  try {
    answer = await fetch(address, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    })
  } catch {
    throw new Error("The device does not answer. Nothing is known about the change: look at the settings in force.")
  }
  if (!answer.ok) throw new Error((await answer.text()).trim() || `The device answered ${answer.status}.`)
}

// load returns the JSON of an address, or null where the server has nothing newer. The message of an error is for people.
export async function load<T>(address: string): Promise<T | null> {
  let answer: Response
  try {
    answer = await fetch(address)
  } catch {
    throw new Error("The device does not answer. The page tries again.")
  }
  if (answer.status === 204) return null
  if (answer.status === 401) throw new Error("The token is no longer valid. Open the address that “facesieve page” prints.")
  if (!answer.ok) throw new Error((await answer.text()).trim() || `The device answered ${answer.status}.`)
  return (await answer.json()) as T
}
