"""Style and script of the report of a cohort, beside those that all pages have.

The script reads what to show from the address (`#q=...&state=...&sort=...`), so a view can be sent to somebody; every
control only changes the address. Without the script the table is there whole and the controls are not.
"""

from __future__ import annotations

from collections.abc import Sequence

STYLE = """
:root { --mark: #7a1fa2; --marked: #f4e6fa; }
@media (prefers-color-scheme: dark) { :root { --mark: #dba6f5; --marked: #3a2547; } }
html:not(.js) .tools, html:not(.js) .pager { display: none; }
html.js:not(.ready) #cases tbody { display: none; }
.tools { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; margin: 0 0 .6rem; }
.tools input, .tools select, .tools button, .pager button, .pager select { font: inherit; color: inherit;
  background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .3rem .6rem;
  margin: 0 0 0 .3rem; }
.tools select { max-width: 20rem; }
.tools input[type=search] { width: 15rem; }
.tools input.bound { width: 7rem; }
.tools button, .pager button { cursor: pointer; }
.tools details { position: relative; }
.tools details div { position: absolute; z-index: 9; background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; padding: .6rem .9rem; max-height: 50vh; overflow: auto; white-space: nowrap; }
.tools details label { display: block; }
summary { white-space: nowrap; cursor: pointer; color: var(--accent); }
.card.brief { max-height: 40vh; }
.pager { display: flex; gap: .8rem; align-items: center; margin: .6rem 0; color: var(--soft); }
.pager[hidden] { display: none; }
.pager button:disabled { opacity: .4; cursor: default; }
#cases tr.away { display: none; }
@media screen { #cases tr.later { display: none; } }
#cases td.detail { white-space: normal; }
#cases td.detail dl { display: block; padding: .3rem 0; width: 34rem; font-size: .85rem; }
#cases td.detail dd { margin: 0 0 .3rem; }
td.out { color: var(--mark); background: var(--marked); font-weight: 600; }
td.out.high::after { content: " \\25B2"; font-size: .7em; }
td.out.low::after { content: " \\25BC"; font-size: .7em; }
.mark { color: var(--mark); }
svg.strip .marked { fill: var(--mark); fill-opacity: 1; }
svg.strip rect { fill: var(--accent); fill-opacity: .6; }
.pictures img { max-width: 170px; }
svg.strip { height: 24px; }
pre { font: .8rem/1.4 ui-monospace, Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
@page { margin: 12mm; }
@media print {
  :root { color-scheme: light; --ink: #000; --soft: #444; --line: #bbb; --page: #fff; --card: #fff; --accent: #14698f;
    --good: #1d7a46; --bad: #b3261e; --warn: #8a5a00; --mark: #7a1fa2; --marked: #f4e6fa; }
  body { font-size: 9.5pt; line-height: 1.3; print-color-adjust: exact; }
  a { color: inherit; text-decoration: none; }
  .tools, .pager, summary { display: none !important; }
  .card, .card.brief { border: 0; border-radius: 0; max-height: none; }
  h2 { break-after: avoid; }
  th, td { padding: .2rem .4rem; white-space: normal; overflow-wrap: anywhere; position: static !important; }
  table.flat td.n, table.flat th.n { white-space: nowrap; }
  th.first, td.first { max-width: none; }
  table.flat { font-size: 8pt; }
  details::details-content { content-visibility: visible; display: block; }
  #cases, #cases tbody { display: block; }
  #cases thead { display: none; }
  #cases tbody tr:not(.away) { display: flex; flex-wrap: wrap; border: 1px solid var(--line); border-radius: 4px;
    padding: .4rem; margin: 0 0 .5rem; break-inside: avoid; }
  #cases td { display: block; width: 25%; border: 0; text-align: left; overflow: visible; max-width: none;
    font-size: 7pt; padding: .1rem .3rem; break-inside: avoid; }
  #cases td.first { width: 75%; font-size: 11pt; background: none; }
  #cases td.wide { width: 100%; }
  #cases td.empty { display: none; }
  #cases td.detail { order: 9; }
  #cases td.detail dl { width: auto; padding: 0; columns: 2; font-size: 6.5pt; }
  #cases td.detail dl * { display: inline; margin: 0; }
  #cases td.detail dt::after { content: " "; }
  #cases td.detail dd::after { content: "\\A"; white-space: pre; }
  #cases td::before { color: var(--soft); margin-right: .5em; }
  .pictures { grid-template-columns: repeat(6, max-content); gap: .2rem; }
  .pictures img { max-width: 26mm; max-height: 26mm; }
}
"""

SCRIPT = """
document.documentElement.classList.add('js');
addEventListener('DOMContentLoaded', () => {
  const root = document.documentElement, table = document.getElementById('cases');
  if (!table) { root.classList.add('ready'); return; }
  const $ = id => document.getElementById(id), body = table.tBodies[0], rows = [...body.rows];
  const heads = [...table.querySelectorAll('th[data-key]')], groups = [...table.querySelectorAll('th[data-from]')];
  const columns = new Map(heads.map(head => [head.dataset.key, head.cellIndex]));
  const order = new Intl.Collator(undefined, {numeric: true}).compare;
  const texts = new Map();
  const text = row => {
    if (!texts.has(row)) {
      let found = row.textContent;
      for (const hash of row.querySelectorAll('code')) found = found.replace(hash.textContent, '');
      texts.set(row, found.toLowerCase());
    }
    return texts.get(row);
  };
  const value = (row, column) => row.cells[column].dataset.v ?? row.cells[column].textContent.trim();
  const asked = () => new URLSearchParams(location.hash.slice(1));
  const ask = (changes, keepPage) => {
    const view = asked();
    if (!keepPage) view.delete('page');
    for (const [name, found] of Object.entries(changes)) found ? view.set(name, found) : view.delete(name);
    go(view);
  };
  let own = null, waiting = 0, placed = rows;
  const go = view => {
    location.replace('#' + view);
    own = location.hash;
    show();
  };
  // All rows are put in order, hidden ones as well, so that a filter moves none.
  const sorted = (column, sign) => {
    const keys = new Map(rows.map(row => [row, value(row, column)]));
    return [...rows].sort((a, b) => {
      const x = keys.get(a), y = keys.get(b);
      if (x === '' || y === '') return (x === '') - (y === '');
      return sign * (!isNaN(x) && !isNaN(y) ? x - y : order(x, y));
    });
  };
  const bound = found => found === null || found.trim() === '' || isNaN(found) ? null : Number(found);
  const rules = [];
  const hide = names => {
    const sheet = document.styleSheets[document.styleSheets.length - 1];
    while (rules.length) { sheet.deleteRule(sheet.cssRules.length - 1); rules.pop(); }
    for (const group of groups.filter(g => names.includes(g.textContent))) {
      const range = `:nth-child(n+${group.dataset.from}):nth-child(-n+${group.dataset.to})`;
      rules.push(sheet.insertRule(`#cases tbody td${range}, #cases thead tr:last-child th${range}, ` +
        `#cases thead tr:first-child th:nth-child(${group.cellIndex + 1}) { display: none !important; }`,
        sheet.cssRules.length));
    }
  };
  // What is being typed is not yet in the address and must not be taken back.
  const set = (id, found) => {
    const field = $(id);
    if (field.value !== found && !(waiting && field.tagName === 'INPUT')) field.value = found;
  };
  function show() {
    const view = asked(), words = (view.get('q') ?? '').toLowerCase().split(/\\s+/).filter(Boolean);
    const state = view.get('state') ?? '', number = columns.get(view.get('number'));
    const low = bound(view.get('min')), high = bound(view.get('max'));
    const ranged = number !== undefined && (low !== null || high !== null);
    const fits = row => {
      if (state === 'outliers' && number !== undefined && columns.has(view.get('number'))) {
        if (!row.cells[number].classList.contains('out')) return false;
      } else if (state && !row.dataset.state.split(',').includes(state)) return false;
      if (ranged) {
        const found = value(row, number);
        if (found === '' || isNaN(found)) return false;
        if ((low !== null && found < low) || (high !== null && found > high)) return false;
      }
      return words.every(word => text(row).includes(word));
    };
    const sort = columns.get(view.get('sort')), sign = view.get('order') === 'desc' ? -1 : 1;
    const next = sort === undefined ? rows : sorted(sort, sign), found = next.filter(fits);
    const size = view.get('rows') === 'all' ? Infinity : Math.max(1, parseInt(view.get('rows') ?? '50') || 50);
    const pages = Math.max(1, Math.ceil(found.length / size));
    const page = Math.min(pages, Math.max(1, parseInt(view.get('page') ?? '1') || 1));
    const first = pages === 1 ? 0 : (page - 1) * size;
    const last = pages === 1 ? found.length : Math.min(found.length, first + size);
    const places = new Map(found.map((row, place) => [row, place]));
    for (const row of rows) {
      const place = places.get(row);
      const css = place === undefined ? 'away' : place < first || place >= last ? 'later' : '';
      if (row.className !== css) row.className = css;
    }
    if (next.some((row, place) => row !== placed[place])) {
      body.append(...next);
      placed = next;
    }
    for (const head of heads) head.removeAttribute('aria-sort');
    if (sort !== undefined) heads.find(head => head.cellIndex === sort)
      .setAttribute('aria-sort', sign < 0 ? 'descending' : 'ascending');
    set('search', view.get('q') ?? ''); set('state', state);
    set('number', number === undefined ? '' : view.get('number'));
    set('min', view.get('min') ?? ''); set('max', view.get('max') ?? '');
    $('min').disabled = $('max').disabled = number === undefined;
    const hidden = view.getAll('hide');
    hide(hidden);
    for (const box of document.querySelectorAll('#groups input')) box.checked = !hidden.includes(box.value);
    $('shown').textContent = found.length === rows.length ? `${rows.length} cases`
      : `${found.length} of ${rows.length} cases`;
    $('pager').hidden = rows.length <= 25;
    set('rows', size === Infinity ? 'all' : String(size));
    $('place').textContent = found.length ? `${first + 1} to ${last} of ${found.length}` : 'none';
    $('back').disabled = page === 1; $('next').disabled = page === pages;
    $('back').value = page - 1; $('next').value = page + 1;
  }
  const soon = act => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { waiting = 0; act(); }, 150);
  };
  $('search').addEventListener('input', () => soon(() => ask({q: $('search').value})));
  for (const id of ['min', 'max']) $(id).addEventListener('input', () => soon(() => ask({[id]: $(id).value})));
  for (const id of ['state', 'number', 'rows']) $(id).addEventListener('change', () => ask({[id]: $(id).value}));
  for (const id of ['back', 'next']) $(id).addEventListener('click', () => {
    ask({page: $(id).value}, true);
    table.parentElement.scrollTop = 0;
  });
  $('reset').addEventListener('click', () => { clearTimeout(waiting); waiting = 0; go(''); });
  for (const head of heads) head.querySelector('button').addEventListener('click', () => {
    const before = head.getAttribute('aria-sort');
    ask({sort: before === 'descending' ? '' : head.dataset.key, order: before === 'ascending' ? 'desc' : ''});
  });
  for (const box of document.querySelectorAll('#groups input')) box.addEventListener('change', () => {
    const view = asked();
    view.delete('hide');
    for (const other of document.querySelectorAll('#groups input:not(:checked)')) view.append('hide', other.value);
    go(view);
  });
  for (const link of document.querySelectorAll('a.mark'))
    link.addEventListener('click', () => $('table').scrollIntoView());
  body.addEventListener('mouseover', event => {
    const cell = event.target.closest('td[data-v]');
    if (cell && cell.dataset.v) cell.title = cell.dataset.v + (cell.dataset.z ? `, robust z ${cell.dataset.z}` : '');
  });
  let opened = [];
  addEventListener('beforeprint', () => {
    opened = [...document.querySelectorAll('details:not([open])')].filter(part => !part.closest('.tools, .away'));
    for (const part of opened) part.open = true;
  });
  addEventListener('afterprint', () => { for (const part of opened) part.open = false; });
  addEventListener('hashchange', () => {
    if (location.hash === own) return;
    own = null;
    show();
  });
  show();
  root.classList.add('ready');
});
"""


def column_labels(labels: Sequence[str]) -> str:
    """Style that writes the name of its column before each value of the case table on paper.

    Letters and digits stand for themselves, everything else is escaped, so that a name can say nothing to the browser.
    """
    rules = [
        f'#cases td:nth-child({number})::before {{ content: "{_escaped(label)}"; }}'
        for number, label in enumerate(labels, 1)
        if label
    ]
    return "@media print {\n" + "\n".join(rules) + "\n}\n"


def _escaped(text: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else f"\\{ord(c) or 0xFFFD:x} " for c in text)
