import type { State, VisitDetail } from "./api"
import { Curve } from "./curve"
import { clock, dateAndClock, duration, scoreText, seconds, words } from "./format"
import { usePoll } from "./hooks"
import { Portrait, Verdict } from "./visits"

export function VisitView({ state, number }: { state: State; number: string }) {
  const { data: visit, error } = usePoll<VisitDetail>(() => `/api/visits/${encodeURIComponent(number)}`, 1500, number)
  const threshold = state.cameras.find((camera) => camera.name === visit?.camera)?.limits.threshold ?? 0
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
            Visit {visit.number}, {visit.camera}
          </h2>
          <div class="summary">
            <Portrait face={visit.face} alt={`Best face of visit ${visit.number}`} />
            <Facts visit={visit} />
          </div>
          <h3>Score over time</h3>
          <Curve visit={visit} threshold={threshold} />
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
        {dateAndClock(visit.first)}, for {duration(seconds(visit.first, visit.last))}
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

function Pictures({ visit }: { visit: VisitDetail }) {
  if (visit.pictures.length === 0) return null
  return (
    <>
      <h3>Faces</h3>
      <ul class="pictures">
        {visit.pictures.map((picture) => (
          <li key={picture.face} class={picture.sent ? "sent" : ""}>
            <Portrait face={picture.face} alt={`Face at ${clock(picture.time)}`} />
            <strong>{scoreText(picture.score)}</strong> {picture.sent ? "sent" : ""}
            <br />+{seconds(visit.first, picture.time).toFixed(1)} s
            {picture.text && picture.reason !== "duplicate" && (
              <>
                <br />
                {picture.text}
              </>
            )}
          </li>
        ))}
      </ul>
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
