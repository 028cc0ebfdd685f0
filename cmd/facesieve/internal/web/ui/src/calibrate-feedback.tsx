import { useRef, useState } from "preact/hooks"
import type { Feedback } from "./api"
import { Rows, Scores } from "./axes"
import type { Control } from "./control"
import { plural } from "./format"
import { useWidth } from "./hooks"

const height = 200
// Pixels.
const margin = { left: 44, right: 16, top: 12, bottom: 24 }

interface Props {
  camera: string
  learned: Feedback
  control: Control | undefined
}

// Learned shows the probability of a match by score: what the network's manifest states, and what was learned from the
// reports of the recogniser with the most reports.
export function Learned({ camera, learned, control }: Props) {
  const percent = (share: number) => (100 * share).toFixed(1)
  const reports = Math.round(learned.reports)
  return (
    <section class="panel learned" aria-label="Feedback of the recogniser">
      <h2>What the recogniser reports</h2>
      <p class="caption">
        {learned.recogniser
          ? `${learned.recogniser}: ${plural(reports, "report")} count, from ${plural(Math.round(learned.hours), "hour")}; ` +
            "those of two weeks ago count half."
          : "No recogniser has reported about a face of this camera yet."}
      </p>
      <Chart learned={learned} />
      <p>
        {learned.share
          ? `Of the faces from score ${learned.threshold} on, ${percent(learned.share.value)} % are matched ` +
            `(95 % interval: ${percent(learned.share.low)} to ${percent(learned.share.high)} %).`
          : `No face has reached the threshold ${learned.threshold} yet.`}
        {learned.auto && ` The threshold follows: ${percent(learned.target!)} % are wanted.`}
      </p>
      {learned.waiting && <p class="caption">The threshold does not move: {learned.waiting}.</p>}
      <Ignored fates={learned.fates} />
      {control?.state.enabled && <Follow camera={camera} learned={learned} control={control} />}
    </section>
  )
}

// Follow freezes a threshold that follows the reports, or lets it follow.
function Follow({ camera, learned, control }: { camera: string; learned: Feedback; control: Control }) {
  const [fault, setFault] = useState("")
  const [busy, setBusy] = useState(false)
  const save = async (threshold: number | "auto") => {
    setBusy(true)
    setFault("")
    try {
      await control.save({ camera, quality: { threshold } })
    } catch (error) {
      setFault((error as Error).message)
    }
    setBusy(false)
  }
  return (
    <div class="buttons">
      {learned.auto ? (
        <button type="button" disabled={busy} onClick={() => save(learned.threshold)}>
          Freeze the threshold at {learned.threshold}
        </button>
      ) : (
        <button type="button" disabled={busy} onClick={() => save("auto")}>
          Let the threshold follow the reports
        </button>
      )}
      <span class="result bad" role="status">
        {fault}
      </span>
    </div>
  )
}

const fates: Record<string, string> = {
  invalid: "not valid",
  retained: "retained",
  unknown: "about an event that this camera did not send",
  late: "about an event older than a day",
  repeated: "repeated",
  excess: "beyond 60 in an hour",
}

function Ignored({ fates: counts }: { fates: Record<string, number> }) {
  const ignored = Object.keys(fates).filter((fate) => counts[fate])
  if (ignored.length === 0) return null
  return (
    <p class="caption">Ignored since the start: {ignored.map((fate) => `${counts[fate]} ${fates[fate]}`).join(", ")}.</p>
  )
}

function Chart({ learned }: { learned: Feedback }) {
  const frame = useRef<HTMLElement>(null)
  const width = useWidth(frame)
  const x = (score: number) => margin.left + (score / 100) * (width - margin.left - margin.right)
  const y = (share: number) => height - margin.bottom - share * (height - margin.top - margin.bottom)
  const path = (ys: number[]) => learned.curve.map((point, i) => `${x(point.score)},${y(ys[i]!)}`)
  const low = path(learned.curve.map((point) => point.low))
  const high = path(learned.curve.map((point) => point.high))
  return (
    <figure class="histogram" ref={frame}>
      <figcaption>
        <span>Probability of a match by score</span>
        <span class="key">
          <i class="line" /> learned, with its 95 % interval
        </span>
        <span class="key">
          <i class="line stated" /> stated by the network
        </span>
      </figcaption>
      <svg viewBox={`0 0 ${width} ${height}`} role="img"
        aria-label={`Probability of a match by score, learned from ${plural(Math.round(learned.reports), "report")}`}>
        <Rows values={[0, 0.5, 1]} y={y} width={width} margin={margin} text={(share) => `${100 * share} %`} />
        <polygon class="interval" points={[...high, ...low.reverse()].join(" ")} />
        <polyline class="stated" points={path(learned.network).join(" ")} />
        <polyline class="learned" points={path(learned.curve.map((point) => point.probability)).join(" ")} />
        <line class="cut" x1={x(learned.threshold)} x2={x(learned.threshold)} y1={margin.top} y2={y(0)} />
        <Scores x={x} height={height} />
      </svg>
    </figure>
  )
}
