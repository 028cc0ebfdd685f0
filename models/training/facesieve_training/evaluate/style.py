"""The report's style sheet."""

STYLE = """
:root { color-scheme: light; }
body { margin: 0; background: #f6f7f9; color: #202124; font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 24px 32px 64px; background: #fff; }
h1 { font-size: 26px; margin: 8px 0 4px; }
h2 { font-size: 19px; margin: 40px 0 8px; padding-top: 16px; border-top: 1px solid #e8eaed; }
h3 { font-size: 15px; margin: 24px 0 4px; }
.lead { font-size: 17px; max-width: 60em; }
.basis, .about { color: #5f6368; font-size: 13px; max-width: 75em; margin: 2px 0 8px; }
.warning { background: #fef7e0; border-left: 4px solid #f9ab00; padding: 6px 12px; margin: 6px 0; font-size:
13px; } .figure { display: block; width: 100%; max-width: 920px; height: auto; margin: 8px 0; } .scroll {
overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 10px; text-align: right; white-space: nowrap; border-bottom: 1px solid #eef0f2; } th {
color: #5f6368; font-weight: 600; border-bottom: 2px solid #dadce0; } th:first-child, td:first-child, .origin
td { text-align: left; } .origin td { white-space: normal; } tr.reference td { font-weight: 600; background:
#fdf1ea; } .matrix th { white-space: normal; vertical-align: bottom; font-size: 11px; } details { margin: 8px
0; } summary { cursor: pointer; font-weight: 600; font-size: 14px; } .area { color: #5f6368; font-weight: 400;
margin-left: 8px; } .strip { display: flex; flex-wrap: wrap; gap: 4px; align-items: flex-start; margin: 4px 0
8px; } .strip > span { width: 92px; flex: none; color: #5f6368; font-size: 12px; padding-top: 24px; } figure {
margin: 0; } figure img { display: block; border-radius: 3px; } figure.pair { display: grid;
grid-template-columns: auto auto; margin-right: 10px; } figcaption { font-size: 10.5px; color: #5f6368;
text-align: center; grid-column: 1 / -1; }
"""
