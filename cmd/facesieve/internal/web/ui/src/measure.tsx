import { useState } from "preact/hooks"
import type { Limits, LivePicture } from "./api"

// A box in pixels of the frame.
export interface Box {
  x: number
  y: number
  width: number
  height: number
}

// The distance between the eyes of a frontal face, as a share of the width of its detected box (Gates.MinEyeDistance).
const eyesOfWidth = 0.43

// verdict returns whether a frontal face of this size can pass, and why.
export function verdict(width: number, height: number, limits: Limits): { pass: boolean; text: string } {
  const eyes = eyesOfWidth * width
  if (Math.max(width, height) < limits.min_face) {
    return { pass: false, text: `too small to be detected: its longer side needs ${limits.min_face} pixels (detect.min_face)` }
  }
  const distance = `about ${eyes.toFixed(0)} pixels between the eyes`
  if (eyes < limits.min_eye_distance) {
    return { pass: false, text: `too small: ${distance}, needs ${limits.min_eye_distance} (quality.gates.min_eye_distance)` }
  }
  return { pass: true, text: `a face of this size can pass: ${distance}, needs ${limits.min_eye_distance}` }
}

interface Props {
  box: Box | null
  onBox: (box: Box | null) => void
  picture: LivePicture
  limits: Limits
}

// Measure shows the pixels of the drawn box. Its fields do the same as drawing, for the keyboard.
export function Measure({ box, onBox, picture, limits }: Props) {
  const result = box && verdict(box.width, box.height, limits)
  const set = (size: Partial<Box>) =>
    onBox({ ...(box ?? { x: picture.width / 2, y: picture.height / 2, width: 1, height: 1 }), ...size })
  return (
    <fieldset class="tool measure">
      <legend>Pixel counter</legend>
      <Length name="Width" value={box?.width} most={picture.width} onValue={(width) => set({ width })} />
      <Length name="Height" value={box?.height} most={picture.height} onValue={(height) => set({ height })} />
      {box && (
        <button type="button" onClick={() => onBox(null)}>
          Clear
        </button>
      )}
      <output class={result ? (result.pass ? "good" : "bad") : ""}>
        {box && result
          ? `${Math.round(box.width)} × ${Math.round(box.height)} pixels: ${result.text}`
          : "Draw a box around a face in the picture: is it large enough?"}
      </output>
    </fieldset>
  )
}

interface LengthProps {
  name: string
  value: number | undefined
  most: number
  onValue: (value: number) => void
}

// Length is a field for a number of pixels. While it is edited it keeps its text, whatever the value becomes.
function Length({ name, value, most, onValue }: LengthProps) {
  const [text, setText] = useState<string | null>(null)
  const edit = (typed: string) => {
    setText(typed)
    if (Number(typed) >= 1) onValue(Math.min(Number(typed), most))
  }
  return (
    <label>
      {name}{" "}
      <input type="number" min="1" max={most} value={text ?? (value === undefined ? "" : Math.round(value))}
        onInput={(event) => edit(event.currentTarget.value)} onBlur={() => setText(null)} />
    </label>
  )
}
