import { useContext } from "preact/hooks"
import type { VisitSummary } from "./api"
import { SourceContext } from "./source"

const states = { open: "in sight or waiting", sent: "sent", rejected: "rejected" }

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
  const source = useContext(SourceContext)
  if (!face) return <span class="face-image none">no picture</span>
  return <img class="face-image" src={source.face(face)} alt={alt} width="112" height="112" loading="lazy" />
}
