// What a threshold and gates do to visits that were recorded. Pure functions: the same as quality.Gates and the
// selection of the daemon, with which the Go tests compare them.

import type {
  Calibration,
  CalibrationGate,
  CalibrationRow,
  CalibrationSettings,
  CalibrationVisit,
  ErrorCurve,
} from "./api"

// The settings that can be moved; gates has the limits in the order of Calibration.gates.
export interface Settings {
  threshold: number
  gates: number[]
}

// Settings with the policy, which decides when faces are sent and how many, and not of which visits.
export interface Draft extends Settings {
  policy: string
}

// same returns whether two drafts are equal.
export function same(a: Draft, b: Draft): boolean {
  return a.threshold === b.threshold && a.policy === b.policy && a.gates.every((limit, i) => limit === b.gates[i])
}

// A face of a visit.
export interface Face {
  visit: CalibrationVisit
  at: number // ms since the visit began
  score: number // 0..100, -1: it was not scored
  night: boolean
  unlike: boolean // its landmarks cannot be a face's
  skipped: boolean // it was not scored, because its visit had a better one
  picture: number // 0: none
  measures: (number | null)[] // thousandths, null: not measured
}

// What settings do to a visit. The best face passes every gate and has the highest score of those that do.
export interface Outcome {
  visit: CalibrationVisit
  sent: boolean
  best: Face | null
  reason: string // why it is not sent
  unscored: number // faces that pass the gates but have no score, and may be better than the best one
}

const night = 1
const unlike = 2
const skipped = 4

// facesOf returns the faces of a visit.
export function facesOf(visit: CalibrationVisit): Face[] {
  return visit.faces.map(([at, score, flags, picture, ...measures]: CalibrationRow) => ({
    visit, at, score: score < 0 ? -1 : score / 1000, night: (flags & night) !== 0, unlike: (flags & unlike) !== 0,
    skipped: (flags & skipped) !== 0, picture, measures,
  }))
}

// missed returns the index of the first gate that rules measures out, or -1.
export function missed(measures: (number | null)[], limits: number[], gates: CalibrationGate[]): number {
  return gates.findIndex((gate, i) => {
    const measure = measures[i] ?? null
    const limit = limits[i]!
    if (measure === null || (gate.key === "gates.edge_margin" && limit <= -1)) return false
    const bound = Math.round(limit * 1000)
    return gate.at_most ? measure > bound : measure < bound
  })
}

// reasonOf returns why a face is not sent, "" if it is, or "unscored".
function reasonOf(face: Face, settings: Settings, gates: CalibrationGate[]): string {
  if (face.unlike) return "pose"
  const gate = missed(face.measures, settings.gates, gates)
  if (gate >= 0) return gates[gate]!.reason
  if (face.score < 0) return "unscored"
  return face.score >= settings.threshold ? "" : "low_quality"
}

// outcome returns what settings do to a visit with these faces.
export function outcome(faces: Face[], visit: CalibrationVisit, settings: Settings, data: Calibration): Outcome {
  let best: Face | null = null
  let unscored = 0
  let spare = 0 // faces that were skipped for a better one
  const ruledOut = new Map<string, number>()
  for (const face of faces) {
    const reason = reasonOf(face, settings, data.gates)
    if (reason === "unscored") face.skipped ? spare++ : unscored++
    else if (reason !== "" && reason !== "low_quality") ruledOut.set(reason, (ruledOut.get(reason) ?? 0) + 1)
    else if (!best || face.score > best.score) best = face
  }
  if (!best) unscored += spare // the better ones do not pass these gates
  const passes = best !== null && best.score >= settings.threshold
  const sent = passes && !(visit.reason === "static" && neverSentStatic(data.settings))
  const most = [...ruledOut].sort((a, b) => b[1] - a[1])[0]?.[0]
  const reason = sent ? "" : passes ? "static" : best ? "low_quality" : unscored > 0 ? "unscored" : (most ?? "pose")
  return { visit, sent, best, reason, unscored }
}

// pictureOf returns the picture of a face, or the nearest in time of its visit. exact: it is of the face itself.
export function pictureOf(face: Face): { number: number; exact: boolean } {
  if (face.picture > 0) return { number: face.picture, exact: true }
  let nearest = { number: face.visit.face, apart: Infinity }
  for (const [at, , , number] of face.visit.faces) {
    const apart = Math.abs(at - face.at)
    if (number > 0 && apart < nearest.apart) nearest = { number, apart }
  }
  return { number: nearest.number, exact: false }
}

// loosened returns the number of faces without a score that the gate in force ruled out and its new limit does not.
export function loosened(visits: { faces: Face[] }[], gate: number, limits: number[], data: Calibration): number {
  if (limits[gate] === data.settings.gates[gate]) return 0
  const alone = (all: number[]) => all.map((limit, i) => (i === gate ? limit : anyLimit(data.gates[i]!)))
  const [before, after] = [alone(data.settings.gates), alone(limits)]
  let count = 0
  for (const { faces } of visits) {
    for (const face of faces) {
      if (face.score >= 0 || face.unlike || missed(face.measures, before, data.gates) < 0) continue
      if (missed(face.measures, after, data.gates) < 0) count++
    }
  }
  return count
}

// anyLimit returns the limit of a gate that every measure passes.
const anyLimit = (gate: CalibrationGate): number => (gate.at_most ? Infinity : -Infinity)

// neverSentStatic returns whether a face that stands still is reported before it is sent.
function neverSentStatic(settings: CalibrationSettings): boolean {
  return settings.policy === "best" && (settings.max_wait_s === 0 || settings.max_wait_s > settings.static_s)
}

// A rate with the ends of its interval, 0..1.
export interface Rate {
  rate: number
  low: number
  high: number
  pairs: number // that are kept; 0: not stated, then low and high are the rate
}

// errorRate returns the false-non-match rate at a threshold, between the points of the curve by linear interpolation,
// or null where no pair is kept. The interval of 95 % is that of Wilson for the pairs that are kept. It covers only the
// chance of these pairs, as if they were independent: not the difference to another recogniser, people or camera.
export function errorRate(curve: ErrorCurve, threshold: number): Rate | null {
  const rate = interpolate(curve.score, curve.fnmr, threshold)
  if (!curve.pairs) return { rate, low: rate, high: rate, pairs: 0 }
  const pairs = Math.round(curve.pairs * interpolate(curve.score, curve.kept, threshold))
  if (pairs < 1) return null
  return { rate, pairs, ...wilson(rate, pairs) }
}

export function interpolate(x: number[], y: number[], at: number): number {
  const next = x.findIndex((value) => value >= at)
  if (next < 0) return y[y.length - 1]!
  if (next === 0) return y[0]!
  const share = (at - x[next - 1]!) / (x[next]! - x[next - 1]!)
  return y[next - 1]! + share * (y[next]! - y[next - 1]!)
}

// wilson returns the interval of 95 % of a share of n independent trials (E. B. Wilson, 1927).
export function wilson(share: number, n: number): { low: number; high: number } {
  const z = 1.959964
  const centre = (share + (z * z) / (2 * n)) / (1 + (z * z) / n)
  const half = (z / (1 + (z * z) / n)) * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n))
  return { low: Math.max(0, centre - half), high: Math.min(1, centre + half) }
}
