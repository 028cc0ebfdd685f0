import { useId, useState } from "preact/hooks"
import type { Calibration, CalibrationVisit } from "./api"
import { plural } from "./format"
import { loosened, type Draft, type Face } from "./simulate"

interface Wording {
  name: string
  unit: string
  step: number
  most: number // right end of the slider; the field takes the whole range
}

// The gates by key, in words.
const wordings: Record<string, Wording> = {
  "gates.edge_margin": { name: "Distance from the border, more than", unit: "of the face", step: 0.05, most: 1 },
  "gates.min_eye_distance": { name: "Between the eyes, at least", unit: "pixels", step: 1, most: 80 },
  "gates.max_yaw": { name: "Turned to the side, at most", unit: "degrees", step: 1, most: 90 },
  "gates.max_pitch": { name: "Turned up or down, at most", unit: "degrees", step: 1, most: 90 },
  "gates.max_roll": { name: "Tilted, at most", unit: "degrees", step: 1, most: 180 },
  "gates.max_residual": { name: "Landmarks unlike a face, at most", unit: "pixels", step: 0.5, most: 40 },
  "gates.min_sharpness": { name: "Sharpness, at least", unit: "of 100", step: 1, most: 100 },
}

interface ThresholdProps {
  value: number
  inForce: number
  onValue: (value: number) => void
}

// Threshold is the slider below the histogram. Its ends are those of the histogram's axis.
export function Threshold({ value, inForce, onValue }: ThresholdProps) {
  return (
    <div class="threshold-field">
      <input type="range" min="0" max="100" step="0.5" value={value} aria-label="Threshold, score"
        onInput={(event) => onValue(event.currentTarget.valueAsNumber)} />
      <label>
        <strong>Threshold</strong> <NumberField value={value} low={0} high={100} step={0.5} onValue={onValue} />
        <span class="unit">of 100{value !== inForce && `, in force ${inForce}`}</span>
      </label>
    </div>
  )
}

interface GatesProps {
  data: Calibration
  draft: Draft
  visits: { visit: CalibrationVisit; faces: Face[] }[]
  onLimits: (gates: number[]) => void
}

// Gates are a slider and a field for each gate.
export function Gates({ data, draft, visits, onLimits }: GatesProps) {
  return (
    <div class="gates">
      {data.gates.map((gate, i) => {
        const words = wordings[gate.key] ?? { name: gate.key, unit: "", step: 1, most: gate.high }
        const value = draft.gates[i]!
        const inForce = data.settings.gates[i]!
        const set = (limit: number) => onLimits(draft.gates.map((one, k) => (k === i ? limit : one)))
        const unknown = loosened(visits, i, draft.gates, data)
        const them = unknown === 1 ? "it" : "them"
        return (
          <div key={gate.key} class={value === inForce ? "gate" : "gate changed"}>
            <Limit words={words} low={gate.low} high={gate.high} value={value} inForce={inForce} onValue={set} />
            {unknown > 0 && (
              <p class="warning">
                {unknown === 1 ? "1 face was" : `${plural(unknown, "face")} were`} not scored, because a gate in force ruled{" "}
                {them} out: loosening this gate cannot be judged for {them}.
              </p>
            )}
          </div>
        )
      })}
    </div>
  )
}

interface LimitProps {
  words: Wording
  low: number
  high: number
  value: number
  inForce: number
  onValue: (limit: number) => void
}

function Limit({ words, low, high, value, inForce, onValue }: LimitProps) {
  const id = useId()
  return (
    <>
      <label for={id}>{words.name}</label>
      <input type="range" aria-label={words.name} min={low} max={Math.min(words.most, high)} step={words.step}
        value={value} onInput={(event) => onValue(event.currentTarget.valueAsNumber)} />
      <span class="number">
        <NumberField id={id} value={value} low={low} high={high} step={words.step} onValue={onValue} />
        <span class="unit">
          {words.unit}
          {value !== inForce && `, in force ${inForce}`}
        </span>
      </span>
    </>
  )
}

interface NumberProps {
  id?: string
  value: number
  low: number
  high: number
  step: number
  onValue: (value: number) => void
}

// NumberField takes numbers of at most three decimals within a range. While it is edited it keeps its text.
function NumberField({ id, value, low, high, step, onValue }: NumberProps) {
  const [text, setText] = useState<string | null>(null)
  const edit = (typed: string) => {
    setText(typed)
    const number = Math.round(Number(typed) * 1000) / 1000
    if (typed.trim() !== "" && number >= low && number <= high) onValue(number)
  }
  const wrong = text !== null && !(text.trim() !== "" && Number(text) >= low && Number(text) <= high)
  return (
    <input type="number" id={id} min={low} max={high} step={step} value={text ?? value} aria-invalid={wrong}
      onInput={(event) => edit(event.currentTarget.value)} onBlur={() => setText(null)} />
  )
}

const policies: Record<string, string> = {
  best: "the best face of a visit",
  quick: "the first face at once, then better ones",
  interval: "the best face of every interval",
  all: "every face",
}

// Policy chooses which faces of a visit are sent. It changes no figure of the view.
export function Policy({ value, onValue }: { value: string; onValue: (policy: string) => void }) {
  return (
    <label class="policy">
      Policy: of a visit that is sent,
      <select value={value} onChange={(event) => onValue(event.currentTarget.value)}>
        {Object.entries(policies).map(([name, text]) => (
          <option key={name} value={name}>
            {name}: {text}
          </option>
        ))}
      </select>
    </label>
  )
}
