import { render } from "preact"
import type { State } from "./api"
import { CalibrateView } from "./calibrate-view"
import { plural } from "./format"
import { useHash, usePoll } from "./hooks"
import { LiveView } from "./live"
import { StateView } from "./state"
import { VisitView } from "./visit"
import { VisitsView } from "./visits"

const views = ["live", "visits", "calibrate", "state"] as const

function App() {
  const [name = "", detail = ""] = useHash()
  const view = views.find((one) => one === name) ?? "live"
  const { data: state, error } = usePoll<State>(() => "/api/state", 2000)
  return (
    <>
      <header>
        <h1>
          facesieve <small>{state?.device}</small>
        </h1>
        <nav aria-label="Views">
          {views.map((one) => (
            <a key={one} href={`#${one}`} aria-current={one === view ? "page" : undefined}>
              {one[0]!.toUpperCase() + one.slice(1)}
            </a>
          ))}
        </nav>
      </header>
      {error && (
        <p class="fault" role="alert">
          {error}
        </p>
      )}
      <main>
        {!state && !error && <p>Loading…</p>}
        {state && view === "live" && <LiveView state={state} name={detail} />}
        {state && view === "visits" && !detail && (
          <VisitsView cameras={state.cameras}>
            ; the last 200 are kept in memory. {plural(state.outbox.queued, "event")} wait
            {state.outbox.queued === 1 ? "s" : ""} in the outbox.
          </VisitsView>
        )}
        {state && view === "visits" && detail && <VisitView cameras={state.cameras} number={detail} />}
        {state && view === "calibrate" && <CalibrateView state={state} name={detail} />}
        {state && view === "state" && <StateView state={state} />}
      </main>
    </>
  )
}

render(<App />, document.body)
