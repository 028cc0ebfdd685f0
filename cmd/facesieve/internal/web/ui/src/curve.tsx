import type { Point, VisitDetail } from "./api"
import { Rows } from "./axes"
import { scoreText, seconds } from "./format"

const width = 640
const height = 180
const margin = { left: 34, right: 12, top: 10, bottom: 24 }

// Curve draws the score of each face of a visit over time, and the threshold. Faces without a score are at the bottom.
export function Curve({ visit, threshold }: { visit: VisitDetail; threshold: number }) {
  const length = Math.max(seconds(visit.first, visit.last), 0.1)
  const x = (time: string) =>
    margin.left + (seconds(visit.first, time) / length) * (width - margin.left - margin.right)
  const y = (score: number) => height - margin.bottom - (Math.max(score, 0) / 100) * (height - margin.top - margin.bottom)
  const scored = visit.points.filter((point) => point.score >= 0)
  const sent = visit.pictures.filter((picture) => picture.sent)
  const best = scored.reduce((most, point) => Math.max(most, point.score), 0)
  return (
    <svg class="curve" viewBox={`0 0 ${width} ${height}`} role="img"
      aria-label={`${visit.points.length} faces in ${length.toFixed(1)} seconds, best score ${best.toFixed(0)}, threshold ${threshold}`}>
      <Rows values={[0, 50, 100]} y={y} width={width} margin={margin} />
      <text x={margin.left} y={height - 6}>
        0 s
      </text>
      <text x={width - margin.right} y={height - 6} text-anchor="end">
        {length.toFixed(1)} s
      </text>
      <line class="threshold" x1={margin.left} x2={width - margin.right} y1={y(threshold)} y2={y(threshold)} />
      {parts(scored).map((part) => (
        <polyline key={part[0]!.time} points={part.map((point) => `${x(point.time)},${y(point.score)}`).join(" ")} />
      ))}
      {visit.points.map((point) => (
        <circle key={point.time} class={point.reason && point.reason !== "duplicate" ? "rejected" : ""} r="3"
          cx={x(point.time)} cy={y(point.score)}>
          <title>
            {scoreText(point.score)}
            {point.text && `: ${point.text}`}
          </title>
        </circle>
      ))}
      {sent.map((picture) => (
        <circle key={picture.face} class="sent" r="6" cx={x(picture.time)} cy={y(picture.score)}>
          <title>sent, score {scoreText(picture.score)}</title>
        </circle>
      ))}
    </svg>
  )
}

// parts divides the faces where the person was out of sight.
function parts(points: Point[]): Point[][] {
  const away = 2 // seconds
  const all: Point[][] = []
  let last: Point | undefined
  for (const point of points) {
    if (!last || seconds(last.time, point.time) > away) all.push([])
    all[all.length - 1]!.push(point)
    last = point
  }
  return all
}
