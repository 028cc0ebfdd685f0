import { clock, plural } from "./format"
import { pictureOf, type Outcome } from "./simulate"
import { Portrait } from "./visit-parts"

const dozen = 12

// Neighbours are the faces just above and just below the threshold, one of each visit.
export function Neighbours({ outcomes, threshold }: { outcomes: Outcome[]; threshold: number }) {
  const scored = outcomes.filter((one) => one.best)
  const above = scored.filter((one) => one.best!.score >= threshold).sort((a, b) => a.best!.score - b.best!.score)
  const below = scored.filter((one) => one.best!.score < threshold).sort((a, b) => b.best!.score - a.best!.score)
  return (
    <div class="columns">
      <Strip title="Just above the cut" kind="above" empty="No visit is above the threshold."
        outcomes={above.slice(0, dozen)} />
      <Strip title="Just below the cut" kind="below" empty="No visit is below the threshold."
        outcomes={below.slice(0, dozen)} />
    </div>
  )
}

// Difference shows the visits that settings gain and lose.
export function Difference({ before, after }: { before: Outcome[]; after: Outcome[] }) {
  const gained = after.filter((one, i) => one.sent && !before[i]!.sent)
  const lost = after.filter((one, i) => !one.sent && before[i]!.sent)
  // A lost visit may have no face that passes the new gates: its best one so far is shown.
  const former = before.filter((one, i) => one.sent && !after[i]!.sent)
  if (before === after) return null
  return (
    <section class="difference">
      <h2 aria-live="polite">
        {gained.length + lost.length === 0
          ? "The same visits are sent as now."
          : `Against the settings in force: gains ${gained.length}, loses ${lost.length}`}
      </h2>
      {gained.length > 0 && <Strip title={plural(gained.length, "visit") + " more"} outcomes={gained} kind="above" />}
      {lost.length > 0 && <Strip title={plural(lost.length, "visit") + " fewer"} outcomes={former} kind="below" />}
    </section>
  )
}

interface StripProps {
  title: string
  empty?: string
  outcomes: Outcome[]
  kind: "above" | "below"
}

function Strip({ title, empty, outcomes, kind }: StripProps) {
  return (
    <section class={`strip ${kind}`} aria-label={title}>
      <h3>{title}</h3>
      {outcomes.length === 0 && <p class="caption">{empty}</p>}
      <ul>
        {outcomes.map((one) => (
          <FaceOf key={one.visit.number} outcome={one} />
        ))}
      </ul>
    </section>
  )
}

function FaceOf({ outcome: { visit, best } }: { outcome: Outcome }) {
  const picture = best && pictureOf(best)
  const score = best ? best.score.toFixed(1) : "none"
  return (
    <li>
      <a href={`#visits/${visit.number}`} title={`Visit ${visit.number} at ${clock(visit.first)}`}>
        <Portrait face={picture?.number ?? visit.face} alt={`Face of visit ${visit.number}, score ${score}`} />
        <b>{score}</b>
        {best?.night && <small>night</small>}
        {picture && !picture.exact && picture.number > 0 && <small>other moment</small>}
      </a>
    </li>
  )
}
