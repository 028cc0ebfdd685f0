import { useState } from "preact/hooks"
import { faceAddress, type State, type VisitSummary } from "./api"
import { clock, duration, plain, plural, scoreText, seconds } from "./format"
import { usePoll } from "./hooks"

interface Visits {
  revision: number
  visits: VisitSummary[]
}

interface Filter {
  camera: string
  state: string
  reason: string
}

const states = { open: "in sight or waiting", sent: "sent", rejected: "rejected" }

export function VisitsView({ state }: { state: State }) {
  const { data, error } = usePoll<Visits>((last) => `/api/visits?revision=${last?.revision ?? ""}`, 1500)
  const [filter, setFilter] = useState<Filter>({ camera: "", state: "", reason: "" })
  const all = data?.visits ?? []
  const shown = all.filter(
    (visit) =>
      (!filter.camera || visit.camera === filter.camera) &&
      (!filter.state || visit.state === filter.state) &&
      (!filter.reason || visit.reason === filter.reason),
  )
  const different = (values: string[]) => [...new Set(values.filter(Boolean))].sort()
  return (
    <>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <Choice name="Camera" value={filter.camera} onValue={(camera) => setFilter({ ...filter, camera })}
          values={different([...state.cameras.map((camera) => camera.name), ...all.map((visit) => visit.camera)])} />
        <Choice name="State" value={filter.state} onValue={(value) => setFilter({ ...filter, state: value })}
          values={["sent", "rejected", "open"]} />
        <Choice name="Reason" value={filter.reason} onValue={(reason) => setFilter({ ...filter, reason })}
          values={different(all.map((visit) => visit.reason))} />
      </form>
      {error && (
        <p class="fault" role="alert">
          {error}
        </p>
      )}
      <p class="caption">
        {plural(shown.length, "visit")}
        {shown.length < all.length && ` of ${all.length}`}; the last 200 are kept in memory.{" "}
        {plural(state.outbox.queued, "event")} wait{state.outbox.queued === 1 ? "s" : ""} in the outbox.
      </p>
      {data && all.length === 0 && <p class="empty">Nobody has been seen since the start.</p>}
      <ul class="visits">
        {shown.map((visit) => (
          <Line key={visit.number} visit={visit} />
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
    <li>
      <a class="visit" href={`#visits/${visit.number}`}>
        <Portrait face={visit.face} alt={`Best face of visit ${visit.number}`} />
        <span class="what">
          <strong>Visit {visit.number}</strong> {visit.camera}
          <br />
          {clock(visit.first)}, {duration(seconds(visit.first, visit.last))}
        </span>
        <span class={visit.score < 0 ? "score none" : "score"}>{scoreText(visit.score)}</span>
        <Verdict visit={visit} />
      </a>
    </li>
  )
}

export function Verdict({ visit }: { visit: VisitSummary }) {
  return (
    <span class="verdict">
      <span class={`badge ${visit.state}`}>
        {states[visit.state]}
        {visit.sent > 1 && ` ${visit.sent} times`}
      </span>{" "}
      {visit.text}
    </span>
  )
}

export function Portrait({ face, alt }: { face: number; alt: string }) {
  if (!face) return <span class="face-image none">no picture</span>
  return <img class="face-image" src={faceAddress(face)} alt={alt} width="112" height="112" loading="lazy" />
}
