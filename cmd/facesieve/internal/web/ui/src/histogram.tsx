import { useRef } from "preact/hooks"
import { Rows, Scores } from "./axes"
import { plural } from "./format"
import { useWidth } from "./hooks"
import type { Outcome } from "./simulate"

const height = 180
// Pixels. The style sheet places the slider by left and right.
const margin = { left: 40, right: 16, top: 20, bottom: 22 }
const binWidth = 5 // points of score

// Histogram counts the visits by the score of their best face that passes the gates. Those that are not sent are faint.
export function Histogram(props: { outcomes: Outcome[]; threshold: number; inForce: number }) {
  const { outcomes, threshold, inForce } = props
  const frame = useRef<HTMLElement>(null)
  const width = useWidth(frame)
  const bins = Array.from({ length: 100 / binWidth }, () => ({ day: 0, night: 0 }))
  let scored = 0
  for (const { best } of outcomes) {
    if (!best) continue
    const bin = bins[Math.min(bins.length - 1, Math.floor(best.score / binWidth))]!
    best.night ? bin.night++ : bin.day++
    scored++
  }
  const most = Math.max(2, ...bins.map((bin) => bin.day + bin.night))
  const x = (score: number) => margin.left + (score / 100) * (width - margin.left - margin.right)
  const y = (count: number) => height - margin.bottom - (count / most) * (height - margin.top - margin.bottom)
  const nights = bins.reduce((sum, bin) => sum + bin.night, 0)
  const ticks = most % 2 === 0 ? [0, most / 2, most] : [0, most]
  return (
    <figure class="histogram" ref={frame}>
      <figcaption>
        <span>Best score of each visit</span>
        <span class="key">
          <i class="day" /> day {scored - nights}
        </span>
        <span class="key">
          <i class="night" /> night {nights}
        </span>
      </figcaption>
      <svg viewBox={`0 0 ${width} ${height}`} role="img"
        aria-label={`Best scores of ${plural(scored, "visit")}, ${nights} at night, threshold ${threshold}`}>
        <Rows values={ticks} y={y} width={width} margin={margin} />
        {bins.map((bin, i) => {
          const left = x(i * binWidth) + 1.5
          const sent = (i + 1) * binWidth > threshold
          return (
            <g key={i} class={sent ? "" : "below"}>
              <rect class="day" x={left} width={x(binWidth) - x(0) - 3} y={y(bin.day)} height={y(0) - y(bin.day)} />
              <rect class="night" x={left} width={x(binWidth) - x(0) - 3} y={y(bin.day + bin.night)}
                height={y(bin.day) - y(bin.day + bin.night)} />
            </g>
          )
        })}
        {threshold !== inForce && (
          <line class="in-force" x1={x(inForce)} x2={x(inForce)} y1={margin.top - 6} y2={y(0)} />
        )}
        <line class="cut" x1={x(threshold)} x2={x(threshold)} y1={margin.top - 12} y2={y(0)} />
        <Scores x={x} height={height} />
      </svg>
    </figure>
  )
}
