import { useRef } from "preact/hooks"
import type { Limits, LiveFace, LivePicture } from "./api"
import { scoreText } from "./format"
import type { Box } from "./measure"

interface Props {
  picture: LivePicture
  limits: Limits
  box: Box | null
  onBox: (box: Box | null) => void
}

// Overlay draws the faces, the regions and the measured box over a picture, in pixels of the frame.
export function Overlay({ picture, limits, box, onBox }: Props) {
  const corner = useRef<{ x: number; y: number } | null>(null)
  const { width, height } = picture
  const at = (event: PointerEvent) => {
    const area = (event.currentTarget as SVGSVGElement).getBoundingClientRect()
    const within = (value: number, most: number) => Math.max(0, Math.min(most, value))
    return {
      x: within(((event.clientX - area.left) / area.width) * width, width),
      y: within(((event.clientY - area.top) / area.height) * height, height),
    }
  }
  const begin = (event: PointerEvent) => {
    corner.current = at(event)
    ;(event.currentTarget as SVGSVGElement).setPointerCapture(event.pointerId)
    onBox(null)
  }
  const draw = (event: PointerEvent) => {
    if (!corner.current) return
    const from = corner.current
    const to = at(event)
    const drawn = {
      x: Math.min(from.x, to.x),
      y: Math.min(from.y, to.y),
      width: Math.abs(to.x - from.x),
      height: Math.abs(to.y - from.y),
    }
    if (drawn.width >= 1 && drawn.height >= 1) onBox(drawn)
  }
  const end = () => (corner.current = null)
  const corners = (polygon: [number, number][]) => polygon.map(([x, y]) => `${x * width},${y * height}`).join(" ")
  return (
    <svg viewBox={`0 0 ${width} ${height}`} aria-hidden="true" onPointerDown={begin} onPointerMove={draw} onPointerUp={end}
      onPointerCancel={end}>
      {limits.roi && limits.roi.length > 0 && <polygon class="roi" points={corners(limits.roi)} />}
      {limits.masks.map((mask, i) => (
        <polygon key={i} class="mask" points={corners(mask)} />
      ))}
      {(picture.faces ?? []).map((face, i) => (
        <Face key={i} face={face} unit={width / Math.min(innerWidth, 1150)} short={innerWidth < 640} />
      ))}
      {box && <rect class="drawn" x={box.x} y={box.y} width={box.width} height={box.height} />}
    </svg>
  )
}

// Face draws a face. unit is about the length of a pixel of the screen. A short label has no reason.
function Face({ face, unit, short }: { face: LiveFace; unit: number; short: boolean }) {
  const [x, y, width, height] = face.box
  const size = 14 * unit
  const below = y < 2.5 * size
  return (
    <g class={face.reason && face.reason !== "duplicate" ? "face rejected" : "face"}>
      <rect x={x} y={y} width={width} height={height} />
      {face.landmarks.map(([cx, cy], i) => (
        <circle key={i} cx={cx} cy={cy} r={2 * unit} />
      ))}
      <text x={x} y={below ? y + height + size : y - 0.35 * size} font-size={size} stroke-width={size / 5}>
        {face.visit}: {scoreText(face.score)}
        {!short && face.reason && face.reason !== "duplicate" && ` · ${face.text}`}
      </text>
    </g>
  )
}
