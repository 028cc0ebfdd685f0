import { useState } from "preact/hooks"
import type { VisitDetail } from "./api"
import { Curve } from "./curve"
import { clock, dateAndClock, scoreText, seconds, visitLength, words } from "./format"
import { usePoll } from "./hooks"
import { Portrait, Verdict } from "./visit-parts"

interface Props {
  cameras: { name: string; limits: { threshold: number } }[]
  number: string
}

const useVisit = (number: string) => usePoll<VisitDetail>(() => `/api/visits/${encodeURIComponent(number)}`, 1500, number)

const thresholdOf = ({ cameras }: Props, visit: VisitDetail): number =>
  cameras.find((camera) => camera.name === visit.camera)?.limits.threshold ?? 0

// Faces shows the faces of a visit over time.
export function Faces(props: Props) {
  const { data: visit } = useVisit(props.number)
  if (!visit) return null
  return (
    <>
      <Curve visit={visit} threshold={thresholdOf(props, visit)} />
      <Pictures visit={visit} />
    </>
  )
}

export function VisitView(props: Props) {
  const { data: visit, error } = useVisit(props.number)
  return (
    <>
      <p>
        <a href="#visits">All visits</a>
      </p>
      {error && (
        <p class="fault" role="alert">
          {error}
        </p>
      )}
      {visit && (
        <article>
          <h2>
            Visit {visit.number}, {visit.recording ?? visit.camera}
          </h2>
          <div class="summary">
            <Portrait face={visit.face} alt={`Best face of visit ${visit.number}`} />
            <Facts visit={visit} />
          </div>
          <h3>Score over time</h3>
          <Curve visit={visit} threshold={thresholdOf(props, visit)} />
          <h3>Faces</h3>
          <Pictures visit={visit} />
          <div class="columns">
            <Bars title="Components (0 to 100)" values={visit.components} most={100} />
            <Bars title="Labels of the quality network (0 to 1)" values={visit.labels} most={1} />
          </div>
        </article>
      )}
    </>
  )
}

function Facts({ visit }: { visit: VisitDetail }) {
  return (
    <dl>
      <dt>Result</dt>
      <dd>
        <Verdict visit={visit} />
        {visit.sent_at && ` at ${clock(visit.sent_at)}, policy ${visit.policy}`}
      </dd>
      <dt>Score</dt>
      <dd>{scoreText(visit.score)}</dd>
      <dt>Seen</dt>
      <dd>
        {dateAndClock(visit.first)}, {visitLength(visit)}
      </dd>
      <dt>Frames</dt>
      <dd>
        {visit.frames} with the face, {visit.faces} scored; tracks joined: {visit.tracks}
      </dd>
      <dt>Id</dt>
      <dd>
        <code>{visit.id}</code>
      </dd>
    </dl>
  )
}

// Pictures shows each face with a picture. The measures are those of the face that the pointer is on, or that is chosen.
function Pictures({ visit }: { visit: VisitDetail }) {
  const [chosen, setChosen] = useState(0)
  if (visit.pictures.length === 0) return <p class="caption">There are no pictures of this visit.</p>
  return (
    <>
      <ul class="pictures">
        {visit.pictures.map((picture) => (
          <li key={picture.face} class={picture.sent ? "sent" : ""} title={picture.detail}>
            <button type="button" aria-pressed={picture.face === chosen} onClick={() => setChosen(picture.face)}>
              <Portrait face={picture.face} alt={`Face at ${clock(picture.time)}, measures`} />
            </button>
            <strong>
              {scoreText(picture.score)} {picture.sent ? "sent" : ""}
            </strong>{" "}
            <small>+{seconds(visit.first, picture.time).toFixed(1)} s</small>
            {picture.text && picture.reason !== "duplicate" && !picture.sent && <div class="reason">{picture.text}</div>}
          </li>
        ))}
      </ul>
      <p class="caption" role="status">
        {visit.pictures.find((picture) => picture.face === chosen)?.detail ?? "Choose a face for its measures."}
      </p>
    </>
  )
}

function Bars({ title, values, most }: { title: string; values: Record<string, number> | null; most: number }) {
  const entries = Object.entries(values ?? {})
  if (entries.length === 0) return null
  return (
    <section>
      <h3>{title}</h3>
      <dl class="bars">
        {entries.map(([name, value]) => (
          <div key={name}>
            <dt>{words(name)}</dt>
            <dd>
              {value < 0 ? (
                "not assessed"
              ) : (
                <>
                  <meter min={0} max={most} value={value} aria-label={words(name)} /> {value.toFixed(most > 1 ? 0 : 2)}
                </>
              )}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  )
}
