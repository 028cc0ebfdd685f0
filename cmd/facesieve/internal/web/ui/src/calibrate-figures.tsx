import type { ComponentChildren } from "preact"
import { useContext } from "preact/hooks"
import type { Calibration } from "./api"
import { plural } from "./format"
import { SourceContext } from "./source"
import { errorRate, type Draft, type Outcome } from "./simulate"

const fewest = 20 // visits that figures need to mean anything
const shortest = 3600 // seconds from which on visits a day mean anything
const aDay = 86400

// Basis says over how many visits and over what time the figures are.
export function Basis({ data, counted }: { data: Calibration; counted: number }) {
  const open = data.visits.length - counted
  const { live } = useContext(SourceContext)
  return (
    <>
      <p class="caption">
        {plural(counted, "visit")} of {data.camera} in {timeSpan(data.watched_s)} of video.
        {open > 0 && ` ${open} more ${open === 1 ? "goes" : "go"} on and ${open === 1 ? "is" : "are"} not counted.`}
        {live && " The last 200 visits of all cameras are kept."}
      </p>
      {counted < fewest && (
        <p class="warning" role="note">
          {counted === 0 ? "There is no visit yet." : `Only ${plural(counted, "visit")}: too few to choose by.`}{" "}
          {live ? `Wait for ${fewest} or more.` : `Run recordings with ${fewest} or more.`}
        </p>
      )}
    </>
  )
}

function timeSpan(seconds: number): string {
  if (seconds < 120) return `${seconds.toFixed(0)} s`
  if (seconds < 7200) return `${(seconds / 60).toFixed(0)} min`
  return `${(seconds / 3600).toFixed(1)} h`
}

interface FiguresProps {
  data: Calibration
  draft: Draft
  before: Outcome[]
  after: Outcome[]
}

// Figures are the three numbers that move with the settings.
export function Figures({ data, draft, before, after }: FiguresProps) {
  const daily = data.watched_s >= shortest
  const sent = (all: Outcome[]) => all.filter((one) => one.sent).length
  const rate = (visits: number) => {
    const number = daily ? (visits / data.watched_s) * aDay : visits
    return daily && number < 10 ? number.toFixed(1) : Math.round(number).toLocaleString()
  }
  const unknown = after.filter((one) => !one.sent && one.unscored > 0).length
  const now = sent(after)
  const none = after.length - now
  const all = plural(after.length, "visit")
  return (
    <div class="figures">
      <Figure name={daily ? "visits a day sent" : "visits sent"} value={rate(now)}
        former={now === sent(before) ? "" : rate(sent(before))}>
        {daily ? `${now} of ${all}` : `of ${all}; visits a day need an hour of video`}
      </Figure>
      <Figure name={daily ? "visits a day without a face" : "visits without a face"} value={rate(none)}
        former={now === sent(before) ? "" : rate(before.length - sent(before))}>
        {daily ? `${none} of ${all}` : `of ${all}`}
        {unknown > 0 && `; ${unknown} not certain, because faces were not scored`}
      </Figure>
      <Errors data={data} draft={draft} />
    </div>
  )
}

function Errors({ data, draft }: { data: Calibration; draft: Draft }) {
  const name = "expected false-non-match rate"
  if (!data.curve) return <Figure name={name} value="–">The manifest of the quality network has none.</Figure>
  const now = errorRate(data.curve, draft.threshold)
  const former = errorRate(data.curve, data.settings.threshold)
  const percent = (share: number) => (100 * share).toFixed(1)
  if (!now) return <Figure name={name} value="–">No face of the test set scores so high.</Figure>
  return (
    <Figure name={name} value={`${percent(now.rate)} %`} title={`${data.curve.set}. ${coverage}`}
      former={former && draft.threshold !== data.settings.threshold ? `${percent(former.rate)} %` : ""}>
      at a false-match rate of {100 * data.curve.fmr} % on the network's test set
      {now.pairs > 0 && `; 95 % interval for the chance of its pairs alone: ${percent(now.low)} to ${percent(now.high)} %`}
    </Figure>
  )
}

const coverage =
  "The interval covers only the chance of the pairs that were drawn, as if they were independent. Another recogniser, " +
  "other people and another camera differ by more."

interface FigureProps {
  name: string
  value: string
  former?: string // the number with the settings in force, if it differs
  title?: string
  children: ComponentChildren
}

function Figure({ name, value, former, title, children }: FigureProps) {
  return (
    <div class="figure" title={title}>
      <span class="name">{name}</span>
      <output>{value}</output>
      <span class="former">{former && `in force: ${former}`}</span>
      <span class="detail">{children}</span>
    </div>
  )
}

// HistogramNotes explain the histogram, and count the visits that it does not have.
export function HistogramNotes({ outcomes }: { outcomes: Outcome[] }) {
  const none = outcomes.filter((one) => !one.best).length
  return (
    <>
      {outcomes.some((one) => one.best?.night) && (
        <p class="caption">Night is a picture without colours, as under infrared light.</p>
      )}
      {none > 0 && (
        <p class="caption">
          {plural(none, "visit")} {none === 1 ? "is" : "are"} not in the histogram: no scored face passes the gates.
        </p>
      )}
    </>
  )
}

const advice: Record<string, [what: string, help: string]> = {
  too_small: ["too small", "move the camera nearer, use a longer lens or the camera's main stream"],
  edge: ["at the border of the picture", "turn or move the camera so that faces stay inside"],
  pose: ["turned away", "mount the camera lower, and where people walk towards it"],
  too_blurred: ["blurred", "check the focus, add light, or set a shorter exposure"],
  low_quality: ["below the threshold", "add light from the front, or lower the threshold if these faces will do"],
  static: ["a face that does not move", "draw a mask over the poster or the screen"],
  unscored: ["not scored", "save the looser gates, and look again when people have passed"],
}

// Hints say what to do about each frequent reason why visits have no face.
export function Hints({ outcomes }: { outcomes: Outcome[] }) {
  const none = outcomes.filter((one) => !one.sent)
  const counts = new Map<string, number>()
  for (const { reason } of none) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  const frequent = [...counts].filter(([, count]) => count / none.length >= 0.1).sort((a, b) => b[1] - a[1])
  if (frequent.length === 0) return null
  return (
    <section class="hints">
      <h2>Why {none.length === 1 ? "a visit has" : `${none.length} visits have`} no face, and what helps</h2>
      <ul>
        {frequent.map(([reason, count]) => {
          const [what, help] = advice[reason] ?? [reason, ""]
          const share = count / none.length
          return (
            <li key={reason}>
              <progress max={1} value={share} aria-hidden="true" />
              <strong>
                {(100 * share).toFixed(0)} % {what}
              </strong>
              <span>{help}</span>
            </li>
          )
        })}
      </ul>
    </section>
  )
}
