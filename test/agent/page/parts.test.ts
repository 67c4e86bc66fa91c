import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { takesHtml } from '../../../agent/page/accept.ts';
import { usageChart } from '../../../agent/page/chart.ts';
import { forecast, type Forecast } from '../../../agent/page/forecast.ts';
import { escapeHtml, html, textOf } from '../../../agent/page/html.ts';
import { maskPage } from '../../../agent/page/mask.ts';
import { noticePage } from '../../../agent/page/notice.ts';
import { linkTo, readSelection } from '../../../agent/page/selection.ts';
import { bytesText, sentence, spanText } from '../../../agent/page/words.ts';

const HOUR_MS = 3_600_000;

describe('HTML of a template', () => {
  it('has no character that ends a text or an attribute, whatever a value is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        const escaped = textOf(html`${value}`);
        assert.doesNotMatch(escaped, /[<>"']/);
        const back = escaped
          .replaceAll('&lt;', '<')
          .replaceAll('&gt;', '>')
          .replaceAll('&quot;', '"')
          .replaceAll('&#39;', "'")
          .replaceAll('&amp;', '&');
        assert.equal(back, value.toWellFormed());
      }),
    );
  });

  it('keeps HTML that was made so, joins lists, and leaves out what is not there', () => {
    assert.equal(
      textOf(html`<p>${html`<b>${'<'}</b>`}${[1, ' ', html`<i></i>`]}${false}${undefined}</p>`),
      '<p><b>&lt;</b>1 <i></i></p>',
    );
  });

  it('takes no object that merely looks like HTML', () => {
    assert.throws(() => textOf(html`${JSON.parse('{"html": "<b>"}') as string}`), TypeError);
  });
});

describe('a client', () => {
  for (const [accept, expected] of [
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', true],
    ['application/json, text/html;q=0.1', true],
    ['TEXT/HTML; charset=utf-8', true],
    ['*/*', false],
    ['text/*', false],
    ['text/html;q=0', false],
    ['text/html; q=0.000', false],
    ['application/json', false],
    ['', false],
    [undefined, false],
  ] as const)
    it(`takes ${expected ? 'HTML' : 'no HTML'} with the header ${JSON.stringify(accept)}`, () => {
      assert.equal(takesHtml(accept), expected);
    });
});

describe('the future of the storage', () => {
  const nowMs = 1_000 * HOUR_MS;
  const at = (bytes: readonly number[], more: { readonly oldestMs?: number } = {}): Forecast =>
    forecast({
      usage: bytes.map((each, index) => ({ atMs: nowMs - (bytes.length - 1 - index) * HOUR_MS, bytes: each })),
      ...{ limitBytes: 1_000, nowMs, oldestMs: more.oldestMs, retentionMs: 24 * HOUR_MS },
    });
  it('is unknown before there are measurements of some time', () => {
    assert.deepEqual(at([]), { kind: 'unknown' });
    assert.deepEqual(at([1, 2, 3, 4]), { kind: 'unknown' });
  });
  it('is the time until it is full, or until samples go by their age if that is sooner', () => {
    assert.deepEqual(at([100, 200, 300, 400, 500]), { kind: 'fills', inMs: 5 * HOUR_MS });
    assert.deepEqual(at([100, 200, 300, 400, 500], { oldestMs: nowMs - 22 * HOUR_MS }), {
      kind: 'by_age',
      inMs: 2 * HOUR_MS,
    });
    assert.deepEqual(at([100, 200, 300, 400, 500], { oldestMs: nowMs - 30 * HOUR_MS }), { kind: 'by_age', inMs: 0 });
  });
  it('is steady where nothing grows, and full near the limit', () => {
    assert.deepEqual(at([300, 300, 300, 300, 300]), { kind: 'steady' });
    assert.deepEqual(at([500, 400, 300, 200, 100]), { kind: 'steady' });
    assert.deepEqual(at([970]), { kind: 'full' });
  });
  it('is drawn as a line below the limit, with its figures as text', () => {
    const usage = [0, 500].map((bytes, index) => ({ atMs: index * HOUR_MS, bytes }));
    const chart = textOf(usageChart(usage, 1_000));
    assert.match(chart, /aria-label="Storage used in the last 1 hour: from 0 bytes to 500 bytes of 1000 bytes"/);
    assert.match(chart, /points="0\.0,47\.0 240\.0,24\.0"/);
    assert.match(chart, /class="limit"/);
    assert.doesNotMatch(textOf(usageChart(usage, 100_000)), /class="limit"/);
    assert.doesNotMatch(chart, /style=/);
    assert.equal(usageChart(usage.slice(1), 1_000), undefined);
  });
});

describe('the words of a page', () => {
  it('have sizes and spans in the unit that fits', () => {
    assert.deepEqual([0, 1023, 1024, 1.5 * 2 ** 30, 200 * 2 ** 20, 2 ** 60].map(bytesText), [
      '0 bytes',
      '1023 bytes',
      '1.0 KiB',
      '1.5 GiB',
      '200 MiB',
      '1048576 TiB',
    ]);
    assert.deepEqual([0, 1_000, 59_999, 3_600_000, 200 * 86_400_000].map(spanText), [
      'less than a second',
      '1 second',
      '59 seconds',
      '1 hour',
      '200 days',
    ]);
  });

  it('have commands as such, also several in a sentence', () => {
    const text =
      'raise it with tsuru metadata set -a a -t annotation x=1 --no-restart and tsuru metadata set -a a -t annotation y=2 --no-restart; or "tsuru app-log -a a"';
    assert.equal(
      textOf(sentence(text)),
      'raise it with <code class="command">tsuru metadata set -a a -t annotation x=1 --no-restart</code> and <code class="command">tsuru metadata set -a a -t annotation y=2 --no-restart</code>; or <code class="command">tsuru app-log -a a</code>',
    );
  });

  it('have no secret, as text or in a link', () => {
    const secret = `p&ss"<word>'`;
    const page = `${escapeHtml(secret)} href="?${encodeURIComponent(secret)}"`;
    assert.equal(maskPage(page, [secret, 'short']), '&lt;secret&gt; href="?&lt;secret&gt;"');
  });
});

describe('a selection', () => {
  it('is read from the address that it makes', () => {
    for (const selection of [
      { app: undefined, state: undefined, page: 1 },
      { app: 'a&b="c"', state: 'down', page: 12 },
    ] as const)
      assert.deepEqual(readSelection(new URLSearchParams(linkTo(selection))), selection);
  });
});

describe('a notice', () => {
  it('says what is wrong, what to do, and has its text as text', () => {
    for (const status of [401, 404, 502, 504, 418]) {
      const page = noticePage(status, '<script>');
      assert.ok(page.includes('<p>&lt;script&gt;</p>'));
      assert.ok(!page.includes('<script>'));
    }
    assert.match(noticePage(401, ''), /tsuru service-instance-info prometheus INSTANCE/);
    assert.match(noticePage(502, ''), /<a href="\/">status of this instance<\/a>/);
  });
});
