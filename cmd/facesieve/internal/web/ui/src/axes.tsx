// Pixels between the drawing and the edges of its picture.
export interface Margin {
  left: number
  right: number
}

// Rows draws a line across the picture for each value, with its text to the left.
export function Rows(props: {
  values: number[]
  y: (value: number) => number
  width: number
  margin: Margin
  text?: (value: number) => string
}) {
  const { values, y, width, margin, text = String } = props
  return (
    <>
      {values.map((value) => (
        <g key={value}>
          <line class="grid" x1={margin.left} x2={width - margin.right} y1={y(value)} y2={y(value)} />
          <text x={margin.left - 8} y={y(value) + 4} text-anchor="end">
            {text(value)}
          </text>
        </g>
      ))}
    </>
  )
}

// Scores draws the axis of scores below the picture.
export function Scores({ x, height }: { x: (score: number) => number; height: number }) {
  return (
    <>
      {[0, 20, 40, 60, 80, 100].map((score) => (
        <text key={score} x={x(score)} y={height - 6} text-anchor="middle">
          {score}
        </text>
      ))}
    </>
  )
}
