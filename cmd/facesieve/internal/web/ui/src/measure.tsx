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
  const set = (key: "width" | "height", text: string) => {
    const size = Math.min(Number(text), picture[key])
    if (!(size >= 1)) return // the field is being edited
    const now = box ?? { x: picture.width / 2, y: picture.height / 2, width: 1, height: 1 }
    onBox({ ...now, [key]: size })
  }
  return (
    <fieldset class="measure">
      <legend>Pixel counter</legend>
      <label>
        Width <input type="number" min="1" max={picture.width} value={box ? Math.round(box.width) : ""}
          onInput={(event) => set("width", event.currentTarget.value)} />
      </label>
      <label>
        Height <input type="number" min="1" max={picture.height} value={box ? Math.round(box.height) : ""}
          onInput={(event) => set("height", event.currentTarget.value)} />
      </label>
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
