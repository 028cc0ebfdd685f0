import { useRef } from "preact/hooks"
import type { LiveFace, LivePicture } from "./api"
import { scoreText } from "./format"
import type { Box } from "./measure"
import { moveCorner, type Corner, type RegionEdit, type Regions } from "./region"

interface Props {
  picture: LivePicture
  regions: Regions
  box: Box | null
  onBox: (box: Box | null) => void
  edit: RegionEdit | null // null: pressing the pointer measures
}

// Overlay draws the faces, the regions and the measured box over a picture, in pixels of the frame.
export function Overlay({ picture, regions, box, onBox, edit }: Props) {
  const { width, height } = picture
  const svg = useRef<SVGSVGElement>(null)
  const shown = svg.current?.clientWidth || Math.min(innerWidth, 1000) // pixels of the screen
  const unit = width / shown
  const dragged = useRef<Handle | null>(null)
  const from = useRef<Corner | null>(null)
  const pointer = edit ? regionPointer(edit, dragged) : boxPointer(picture, onBox, from)
  const corners = (polygon: Corner[]) => polygon.map(([x, y]) => `${x * width},${y * height}`).join(" ")
  const draft = edit?.draft?.corners
  return (
    <svg ref={svg} viewBox={`0 0 ${width} ${height}`} aria-hidden="true" {...pointer}>
      {regions.roi.length > 0 && <polygon class="roi" points={corners(regions.roi)} />}
      {regions.masks.map((mask, i) => (
        <polygon key={i} class="mask" points={corners(mask)} />
      ))}
      {(picture.faces ?? []).map((face, i) => (
        <Face key={i} face={face} unit={unit} short={shown < 600} />
      ))}
      {box && <rect class="drawn" x={box.x} y={box.y} width={box.width} height={box.height} />}
      {edit &&
        !draft &&
        [regions.roi, ...regions.masks].map((polygon, i) =>
          polygon.map(([x, y], index) => (
            <circle key={`${i} ${index}`} class="handle" data-handle={`${i - 1} ${index}`} cx={x * width} cy={y * height}
              r={7 * unit} stroke-width={12 * unit} />
          )),
        )}
      {draft && <polyline class="draft" points={corners(draft)} />}
      {draft?.map(([x, y], i) => (
        <circle key={i} class="corner" cx={x * width} cy={y * height} r={5 * unit} />
      ))}
    </svg>
  )
}

// A corner that is dragged: -1 for the region of interest, or the index of a mask, and that of the corner.
interface Handle {
  polygon: number
  index: number
}

// place returns where the pointer is, in shares of the picture.
function place(event: MouseEvent): Corner {
  const area = (event.currentTarget as SVGSVGElement).getBoundingClientRect()
  const within = (share: number) => Math.max(0, Math.min(1, share))
  return [within((event.clientX - area.left) / area.width), within((event.clientY - area.top) / area.height)]
}

const capture = (event: PointerEvent) => (event.currentTarget as SVGSVGElement).setPointerCapture(event.pointerId)

// boxPointer draws the box of the pixel counter.
function boxPointer({ width, height }: LivePicture, onBox: Props["onBox"], from: { current: Corner | null }) {
  const end = () => (from.current = null)
  return {
    onPointerDown: (event: PointerEvent) => {
      from.current = place(event)
      capture(event)
      onBox(null)
    },
    onPointerMove: (event: PointerEvent) => {
      if (!from.current) return
      const [a, b] = [from.current, place(event)]
      const box = {
        x: Math.min(a[0], b[0]) * width,
        y: Math.min(a[1], b[1]) * height,
        width: Math.abs(a[0] - b[0]) * width,
        height: Math.abs(a[1] - b[1]) * height,
      }
      if (box.width >= 1 && box.height >= 1) onBox(box)
    },
    onPointerUp: end,
    onPointerCancel: end,
  }
}

// regionPointer adds corners to the draft, and drags corners of closed regions.
function regionPointer(edit: RegionEdit, dragged: { current: Handle | null }) {
  const end = () => (dragged.current = null)
  return {
    onClick: (event: MouseEvent) => edit.draft && event.detail < 2 && edit.addCorner(place(event)),
    onDblClick: edit.close,
    onPointerDown: (event: PointerEvent) => {
      const handle = (event.target as SVGElement).dataset.handle?.split(" ").map(Number)
      if (!handle) return
      dragged.current = { polygon: handle[0]!, index: handle[1]! }
      capture(event)
    },
    onPointerMove: (event: PointerEvent) => {
      const at = dragged.current
      if (at) edit.setRegions(moveCorner(edit.regions, at.polygon, at.index, place(event)))
    },
    onPointerUp: end,
    onPointerCancel: end,
  }
}

// Face draws a face. unit is the length of a pixel of the screen. A short label has no reason.
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
