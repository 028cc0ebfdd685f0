import type { Camera } from "./api"

// Cameras are the links to the cameras of a view, if there are several.
export function Cameras({ view, cameras, shown }: { view: string; cameras: Camera[]; shown: Camera }) {
  if (cameras.length < 2) return null
  return (
    <nav class="cameras" aria-label="Cameras">
      {cameras.map((one) => (
        <a key={one.name} href={`#${view}/${encodeURIComponent(one.name)}`}
          aria-current={one === shown ? "page" : undefined}>
          <span class={`dot ${one.state}`} /> {one.name}
        </a>
      ))}
    </nav>
  )
}
