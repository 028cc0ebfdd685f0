import { render } from "preact"
import type { Calibration, Limits, VisitDetail } from "./api"
import { Calibrate } from "./calibrate"
import { count, isPosition, plural } from "./format"
import { useHash } from "./hooks"
import { SourceContext, type Source } from "./source"
import { VisitView } from "./visit"
import { VisitsView } from "./visits"

// Report is the data of a report; the Go type is reportJSON in package web.
interface Report {
  title: string
  program: string
  view: string // that is shown first
  cameras: { name: string; limits: Limits }[]
  calibrations: Calibration[] // of the cameras
  recordings: { name: string; start: string }[] // in the order of time
  faces: number
  left_out: number
  visits: VisitDetail[]
  images: Record<string, string> // base64 JPEGs
}

// placed returns the visits with the recordings that they are in. Where these have no date, times count from their starts.
function placed({ visits, recordings }: Report): VisitDetail[] {
  if (recordings.length < 2) return visits
  return visits.map((visit) => {
    const recording = recordings.filter(({ start }) => Date.parse(start) <= Date.parse(visit.first)).at(-1)
    if (!recording) return visit
    const start = isPosition(recording.start) ? Date.parse(recording.start) : 0
    const move = <T extends { time: string }>(one: T): T => ({ ...one, time: later(one.time, -start) })
    return {
      ...visit,
      recording: recording.name,
      first: later(visit.first, -start),
      last: later(visit.last, -start),
      sent_at: visit.sent_at && later(visit.sent_at, -start),
      points: visit.points.map(move),
      pictures: visit.pictures.map(move),
    }
  })
}

// later returns a time so many ms after another one.
const later = (time: string, ms: number): string => new Date(Date.parse(time) + ms).toISOString()

// embedded answers the requests of the views from a report.
function embedded(report: Report): Source {
  const all = placed(report)
  const visits = new Map(all.map((visit) => [String(visit.number), visit]))
  const answer = (address: string): unknown => {
    const [, , what, number] = address.split(/[/?]/)
    if (what === "visits" && visits.has(number ?? "")) return visits.get(number!)
    if (what === "visits" && number?.startsWith("revision=")) return { revision: 1, visits: all }
    throw new Error("The report does not have this.")
  }
  return {
    live: false,
    load: async <T,>(address: string) => answer(address) as T,
    face: (number) => `data:image/jpeg;base64,${report.images[number]}`,
  }
}

const views = { visits: "Visits", calibrate: "Calibrate" }

function App({ report }: { report: Report }) {
  const [name = "", detail = ""] = useHash()
  const view = name in views ? name : report.view
  return (
    <>
      <header>
        <h1>
          facesieve <small>{report.title}</small>
        </h1>
        <nav aria-label="Views">
          {Object.entries(views).map(([one, title]) => (
            <a key={one} href={`#${one}`} aria-current={one === view ? "page" : undefined}>
              {title}
            </a>
          ))}
        </nav>
      </header>
      <main>
        {view === "visits" && !detail && (
          <VisitsView cameras={report.cameras}>
            , {plural(report.faces, "face")}
            {report.left_out > 0 && `; ${count(report.left_out)} later faces are left out of this file`}
          </VisitsView>
        )}
        {view === "visits" && detail && <VisitView cameras={report.cameras} number={detail} />}
        {view === "calibrate" && <CalibrateView report={report} camera={detail} />}
      </main>
      <footer>Written by facesieve {report.program}. The faces are in this file, which sends nothing.</footer>
    </>
  )
}

// CalibrateView shows the calibration of a camera, the first if none is named.
function CalibrateView({ report, camera }: { report: Report; camera: string }) {
  const all = report.calibrations
  const data = all.find((one) => one.camera === camera) ?? all[0]
  if (!data) return <p class="empty">There is no camera.</p>
  return (
    <>
      {all.length > 1 && (
        <nav class="cameras" aria-label="Cameras">
          {all.map((one) => (
            <a key={one.camera} href={`#calibrate/${encodeURIComponent(one.camera)}`}
              aria-current={one === data ? "page" : undefined}>
              {one.camera}
            </a>
          ))}
        </nav>
      )}
      <Calibrate key={data.camera} data={data} />
    </>
  )
}

const report = JSON.parse(document.getElementById("report")!.textContent!) as Report
render(
  <SourceContext.Provider value={embedded(report)}>
    <App report={report} />
  </SourceContext.Provider>,
  document.body,
)
