// A recording without a date begins at 1970-01-01T00:00:00Z: its times are shown as positions.
export const isPosition = (time: string): boolean => Date.parse(time) < 365 * 86_400_000

function position(time: string): string {
  const at = Date.parse(time) / 1000
  return `${Math.floor(at / 60)}:${(at % 60).toFixed(1).padStart(4, "0")}`
}

export const clock = (time: string): string => (isPosition(time) ? position(time) : new Date(time).toLocaleTimeString())

export const dateAndClock = (time: string): string => (isPosition(time) ? position(time) : new Date(time).toLocaleString())

export const seconds = (from: string, to: string): number => (Date.parse(to) - Date.parse(from)) / 1000

// duration returns a length of time as 4.2 s or 3 min 20 s.
export function duration(length: number): string {
  if (length < 60) return `${length.toFixed(1)} s`
  return `${Math.floor(length / 60)} min ${Math.round(length % 60)} s`
}

// visitLength returns how long a visit lasted.
export function visitLength(visit: { first: string; last: string; frames: number }): string {
  const length = seconds(visit.first, visit.last)
  if (length <= 0) return visit.frames > 1 ? "less than 0.1 s" : "in one frame"
  return `for ${duration(Math.max(length, 0.1))}`
}

export const scoreText = (score: number): string => (score < 0 ? "not scored" : score.toFixed(0))

export const plain = (name: string): string => name.replaceAll("_", " ")

// words separates the words of a component's name: InterEyeDistance becomes “inter eye distance”.
export const words = (name: string): string => name.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase()

export function bytes(count: number): string {
  if (count < 1024) return `${count} B`
  if (count < 1024 * 1024) return `${(count / 1024).toFixed(0)} KiB`
  return `${(count / 1024 / 1024).toFixed(1)} MiB`
}

export const count = (number: number): string => number.toLocaleString()

export const plural = (number: number, noun: string): string => `${count(number)} ${noun}${number === 1 ? "" : "s"}`

// quoted returns a text for YAML, in quotes unless it can only be text.
export const quoted = (text: string): string =>
  /^[a-z][a-z0-9_-]*$/i.test(text) && !/^(true|false|yes|no|on|off|null|y|n)$/i.test(text) ? text : JSON.stringify(text)
