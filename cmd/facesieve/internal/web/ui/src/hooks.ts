import { useContext, useEffect, useLayoutEffect, useState } from "preact/hooks"
import type { LivePicture } from "./api"
import { SourceContext } from "./source"

// useVisible returns whether the page can be seen. Nothing is requested while it cannot.
export function useVisible(): boolean {
  const [visible, setVisible] = useState(!document.hidden)
  useEffect(() => {
    const update = () => setVisible(!document.hidden)
    document.addEventListener("visibilitychange", update)
    return () => document.removeEventListener("visibilitychange", update)
  }, [])
  return visible
}

// useHash returns the parts of the address after #, as in #visits/12.
export function useHash(): string[] {
  const parts = () => location.hash.slice(1).split("/").map(decodeURIComponent)
  const [hash, setHash] = useState(parts)
  useEffect(() => {
    const update = () => setHash(parts())
    update() // it may have changed since the first render
    addEventListener("hashchange", update)
    return () => removeEventListener("hashchange", update)
  }, [])
  return hash
}

export interface Polled<T> {
  data: T | null // the last answer
  error: string // of the last attempt
}

// usePoll loads an address now, and if the source is live again and again, period in ms. address gets the last answer.
export function usePoll<T>(address: (last: T | null) => string, period: number, key = ""): Polled<T> {
  const [polled, setPolled] = useState<Polled<T>>({ data: null, error: "" })
  const visible = useVisible()
  const source = useContext(SourceContext)
  useEffect(() => setPolled({ data: null, error: "" }), [key])
  useEffect(() => {
    if (!visible) return
    let timer = 0
    let ended = false
    let last: T | null = null
    const next = async () => {
      try {
        const answer = await source.load<T>(address(last))
        if (ended) return
        last = answer ?? last
        setPolled({ data: last, error: "" })
      } catch (fault) {
        if (ended) return
        setPolled((before) => ({ data: before.data, error: (fault as Error).message }))
      }
      if (source.live) timer = window.setTimeout(next, period)
    }
    void next()
    return () => {
      ended = true
      clearTimeout(timer)
    }
  }, [visible, key, period, source])
  return polled
}

// useLive returns the newest picture of a camera while the page can be seen.
export function useLive(camera: string): LivePicture | null {
  const [picture, setPicture] = useState<LivePicture | null>(null)
  const visible = useVisible()
  useEffect(() => {
    setPicture(null)
    if (!visible || !camera) return
    let source: EventSource | null = null
    let timer = 0
    const open = () => {
      source = new EventSource(`/api/live?camera=${encodeURIComponent(camera)}`)
      source.onmessage = (message) => setPicture(JSON.parse(message.data as string) as LivePicture)
      source.onerror = () => {
        // The browser connects again by itself, except after an answer other than 200.
        if (source?.readyState === EventSource.CLOSED) timer = window.setTimeout(open, 5000)
      }
    }
    open()
    return () => {
      source?.close()
      clearTimeout(timer)
    }
  }, [visible, camera])
  return picture
}

// useWidth returns the width of an element in pixels, so that text in a drawing has the size of other text.
export function useWidth(element: { current: HTMLElement | null }): number {
  const [width, setWidth] = useState(640)
  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.max(200, Math.round(entry!.contentRect.width))))
    observer.observe(element.current!)
    return () => observer.disconnect()
  }, [])
  return width
}
