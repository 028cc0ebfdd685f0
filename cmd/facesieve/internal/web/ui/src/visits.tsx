import type { ComponentChildren } from "preact"
import { useContext, useState } from "preact/hooks"
import type { VisitSummary } from "./api"
import { clock, plain, plural, scoreText, visitLength } from "./format"
import { usePoll } from "./hooks"
import { SourceContext } from "./source"
import { Faces } from "./visit"
import { Portrait, Verdict } from "./visit-parts"

interface Visits {
  revision: number
  visits: VisitSummary[]
}

interface Filter {
  camera: string
  state: string
  reason: string
  every: boolean // every face of the visits is shown, not only the best one
}

interface Props {
  cameras: { name: string; limits: { threshold: number } }[]
  children: ComponentChildren // what the list is limited to
}

// VisitsView lists the visits. Where the source is complete, it can show every face of them.
export function VisitsView({ cameras, children }: Props) {
  const source = useContext(SourceContext)
  const { data, error } = usePoll<Visits>((last) => `/api/visits?revision=${last?.revision ?? ""}`, 1500)
  const [filter, setFilter] = useState<Filter>({ camera: "", state: "", reason: "", every: false })
  const all = data?.visits ?? []
  const shown = all.filter(
    (visit) =>
      (!filter.camera || visit.camera === filter.camera) &&
      (!filter.state || visit.state === filter.state) &&
      (!filter.reason || visit.reason === filter.reason),
  )
  const different = (values: string[]) => [...new Set(values.filter(Boolean))].sort()
  const names = different([...cameras.map((camera) => camera.name), ...all.map((visit) => visit.camera)])
  return (
    <>
      <h2 class="hidden">Visits</h2>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        {names.length > 1 && <Choice name="Camera" value={filter.camera} onValue={(camera) => setFilter({ ...filter, camera })}
          values={names} />}
        <Choice name="State" value={filter.state} onValue={(value) => setFilter({ ...filter, state: value })}
          values={["sent", "rejected", "open"]} />
        <Choice name="Reason" value={filter.reason} onValue={(reason) => setFilter({ ...filter, reason })}
          values={different(all.map((visit) => visit.reason))} />
        {!source.live && (
          <label>
            <input type="checkbox" checked={filter.every}
              onChange={(event) => setFilter({ ...filter, every: event.currentTarget.checked })} />{" "}
            Show every face
          </label>
        )}
      </form>
      {error && (
        <p class="fault" role="alert">
          {error}
        </p>
      )}
      <p class="caption">
        {plural(shown.length, "visit")}
        {shown.length < all.length && ` of ${all.length}`}
        {children}
      </p>
      {data && all.length === 0 && (
        <p class="empty">{source.live ? "Nobody has been seen since the start." : "No face was seen."}</p>
      )}
      <ul class={filter.every ? "visits every" : "visits"}>
        {shown.map((visit) => (
          <li key={visit.number}>
            <Line visit={visit} />
            {filter.every && <Faces number={String(visit.number)} cameras={cameras} />}
          </li>
        ))}
      </ul>
    </>
  )
}

function Choice(props: { name: string; value: string; values: string[]; onValue: (value: string) => void }) {
  return (
    <label>
      {props.name}{" "}
      <select value={props.value} onChange={(event) => props.onValue(event.currentTarget.value)}>
        <option value="">all</option>
        {props.values.map((value) => (
          <option key={value} value={value}>
            {plain(value)}
          </option>
        ))}
      </select>
    </label>
  )
}

function Line({ visit }: { visit: VisitSummary }) {
  return (
    <a class="visit" href={`#visits/${visit.number}`}>
      <Portrait face={visit.face} alt={`Best face of visit ${visit.number}`} />
      <span class="what">
        <strong>Visit {visit.number}</strong> {visit.recording ?? visit.camera}
        <br />
        {clock(visit.first)}, {visitLength(visit)}
      </span>
      <span class={visit.score < 0 ? "score none" : "score"}>{scoreText(visit.score)}</span>
      <Verdict visit={visit} />
    </a>
  )
}
