import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { PageFacts } from '../../../agent/page/facts.ts';
import { statusPage } from '../../../agent/page/page.ts';
import { readSelection } from '../../../agent/page/selection.ts';
import { app, down, factsOf, leftOut, NOW_MS, up, wordsOf } from './facts.ts';

const HOSTILE = `"'><script>alert(1)</script><img src=x onerror=alert(1)>&amp;`;
const MINUTE_MS = 60_000;

function pageOf(facts: PageFacts, query = ''): string {
  return statusPage(facts, readSelection(new URLSearchParams(query)));
}

function says(facts: PageFacts, query = ''): string {
  return wordsOf(pageOf(facts, query));
}

describe('the status page', () => {
  it('has every text of others as text, wherever that stands', () => {
    const sets = [
      app(HOSTILE, [up(HOSTILE, { process: HOSTILE, version: HOSTILE, address: HOSTILE })], {
        ...{ pool: HOSTILE, team: HOSTILE, problems: [HOSTILE, `see "tsuru app-log -a ${HOSTILE}`] },
        unknown: { reason: HOSTILE, since: '2026-01-02T08:26:00Z' },
      }),
      app('b', [down(HOSTILE, HOSTILE), leftOut(HOSTILE, { leftOut: HOSTILE, remedy: HOSTILE })]),
    ];
    const facts = factsOf({
      status: {
        instance: HOSTILE,
        problems: [HOSTILE],
        apps: sets,
        versions: { agent: '1', node: '2', prometheus: HOSTILE },
      },
      names: { service: HOSTILE, instance: HOSTILE },
      plan: HOSTILE,
      troubles: [
        { key: 'settings', text: `refused: ${HOSTILE}`, sinceMs: NOW_MS },
        { key: 'other', text: HOSTILE, sinceMs: NOW_MS },
      ],
      alerts: {
        known: true,
        value: [{ name: HOSTILE, severity: HOSTILE, text: HOSTILE, labels: { [HOSTILE]: HOSTILE }, activeMs: NOW_MS }],
      },
      senders: { known: true, value: [{ name: HOSTILE, behindMs: 0, pending: 1, hasSent: true, failed: 0 }] },
      changes: [{ atMs: NOW_MS, text: HOSTILE }],
      metrics: { known: true, value: { series: 1, top: [{ name: HOSTILE, series: 1 }] } },
    });
    for (const query of [
      '',
      `app=${encodeURIComponent(HOSTILE)}`,
      `app=${encodeURIComponent(`${HOSTILE}x`)}`,
      'state=down',
    ]) {
      const page = pageOf(facts, query);
      assert.equal(page.match(/<script/g)?.length, 1, 'its own script alone');
      assert.doesNotMatch(page, /<img|onerror=(?!alert\(1\)&gt;)/);
      // No attribute is ended by a quote of a text.
      for (const [tag] of page.matchAll(/<[a-z][^>]*>/g))
        assert.match(tag, /^<[a-z0-9]+(?:\s+[a-zA-Z0-9-]+(?:="[^"<]*")?)*\s*\/?>$/, tag);
    }
    const unknown = pageOf(
      factsOf({ usage: { known: false, reason: HOSTILE }, alerts: { known: false, reason: HOSTILE } }),
    );
    assert.equal(unknown.match(/<script/g)?.length, 1);
  });

  it('is the same text for the same facts', () => {
    const facts = factsOf({ status: { apps: [app('my-app', [up('a')])] } });
    assert.equal(pageOf(facts), pageOf(facts));
  });

  for (const [what, more, expected] of [
    ['Prometheus is away', { prometheus: { ready: false, reason: 'it starts' } }, 'Prometheus is not ready'],
    ['no app is bound', {}, 'Ready, but no app is bound yet'],
    ['all are up', { apps: [app('a', [up('u1'), up('u2')])] }, 'All 2 units that should be scraped are up'],
    ['one is up', { apps: [app('a', [up('u1')])] }, 'The one unit that should be scraped is up'],
    ['one is down', { apps: [app('a', [up('u1'), down('u2', 'x')])] }, '1 of 2 units is down'],
    ['a unit has no port', { apps: [app('a', [leftOut('u1', { reason: 'no_port' })])] }, '1 unit is not scraped'],
    ['a unit is stopped', { apps: [app('a', [up('u1'), leftOut('u2')])] }, 'The one unit that should be scraped is up'],
    ['something else is wrong', { problems: ['x'] }, 'The instance is up, with 1 problem'],
    [
      'a change is on its way',
      { apps: [app('a', [up('u1')])], sync: { inSync: false, since: null } },
      'Prometheus is loading the latest targets',
    ],
    [
      'a unit is new',
      { apps: [app('a', [up('u1', { health: 'unknown' })])] },
      'Waiting for the first scrape of 1 unit',
    ],
    [
      'nothing is known',
      { lastPoll: { at: null, ok: null, lastSuccess: null, next: null } },
      'Waiting for the first answer of Tsuru',
    ],
  ] as const)
    it(`says in its headline and title when ${what}`, () => {
      const page = pageOf(factsOf({ status: more }));
      assert.ok(page.includes(`<title>my-instance: ${expected}</title>`), page.slice(0, 900));
    });

  it('shows of a unit its address, process, version, last scrape, duration and samples', () => {
    const text = says(factsOf({ status: { apps: [app('my-app', [up('my-app-1')])] } }));
    assert.match(text, /my-app-1 10\.0\.0\.1:8888 web v7 up 3 seconds ago took 12 ms 1,234/);
    assert.match(text, /In sync since 08:26 UTC \(2 hours\)/);
  });

  it("shows of a unit that is down Prometheus' error, and of one that is not scraped the reason and the command", () => {
    const remedy =
      'scrape it with tsuru metadata set -a my-app -p web -t annotation prometheus.io/scrape=true --no-restart';
    const page = pageOf(
      factsOf({
        status: {
          apps: [
            app('my-app', [down('u1', 'connection refused'), leftOut('u2', { remedy })], {
              problems: ['see "tsuru app-log -a my-app"'],
            }),
          ],
        },
      }),
    );
    assert.match(
      wordsOf(page),
      /down connection refused .* not scraped it is stopped: scrape it with tsuru metadata set/,
    );
    assert.ok(page.includes('<code class="command">tsuru app-log -a my-app</code>'));
    assert.ok(page.includes('prometheus.io/scrape=true --no-restart</code>'));
  });

  it('shows units of an app, of a state, and of both', () => {
    const facts = factsOf({
      status: { apps: [app('a', [up('a-1'), down('a-2', 'x')]), app('b', [up('b-1'), down('b-2', 'x')])] },
    });
    const units = (query: string): readonly string[] =>
      [...says(facts, query).matchAll(/\b[ab]-\d\b/g)].map(([unit]) => unit);
    assert.deepEqual(units(''), ['a-1', 'a-2', 'b-1', 'b-2']);
    assert.deepEqual(units('app=b'), ['b-2', 'b-1']);
    assert.deepEqual(units('state=down'), ['a-2', 'b-2']);
    assert.deepEqual(units('state=down&app=a'), ['a-2']);
    assert.deepEqual(units('state=strange&page=-1'), ['a-1', 'a-2', 'b-1', 'b-2']);
    assert.match(says(facts, 'state=out'), /No unit is not scraped/);
    assert.match(says(facts, 'app=c'), /No app c is bound to this instance/);
  });

  it('has links into Prometheus with the query filled in, where its version and package has that page', () => {
    const of = (home: string | undefined): string =>
      pageOf(factsOf({ status: { apps: [app('my-app', [up('u "1"')])] }, home }));
    const query = 'g0.expr=up%7Btsuru_app%3D%22my-app%22%2Cinstance%3D%22u+%5C%221%5C%22%22%7D&amp;g0.tab=0';
    for (const [home, path, targets] of [
      ['/query', '/query', '/targets'],
      ['/graph', '/graph', '/targets'],
      ['/classic/graph', '/classic/graph', '/classic/targets'],
      [undefined, '/graph', '/targets'],
      ['//elsewhere/graph', '/graph', '/targets'],
    ] as const) {
      const page = of(home);
      assert.ok(page.includes(`href="${path}?${query}`), path);
      assert.ok(page.includes(`href="${targets}"`), targets);
    }
  });

  it("shows refused settings with promtool's message in lines, and other problems with their beginning", () => {
    const page = pageOf(
      factsOf({
        status: { problems: ['the volume is full (since 2026-01-02T10:00:00.000Z)', 'data were lost (at 9)'] },
        troubles: [
          {
            key: 'settings',
            text: 'the new settings are refused, keeping the old ones: rules.yml: 3:9: parse error; rules.yml: 5:1: no name',
            sinceMs: NOW_MS - MINUTE_MS,
          },
          { key: 'volume-full', text: 'the volume is full', sinceMs: NOW_MS - 31 * MINUTE_MS },
        ],
      }),
    );
    assert.match(page, /<pre[^>]*>rules\.yml: 3:9: parse error\nrules\.yml: 5:1: no name<\/pre>/);
    assert.match(wordsOf(page), /Problems the volume is full since 10:00 UTC \(31 minutes\) data were lost \(at 9\)/);
  });

  it('shows what is sent and whether it arrives', () => {
    const sender = { name: 'far', behindMs: 2_000, pending: 12, hasSent: true, failed: 0 };
    const text = says(
      factsOf({
        settings: { alertmanagers: 'http://am:9093' },
        senders: {
          known: true,
          value: [
            sender,
            { ...sender, name: 'late', behindMs: 200_000, failed: 3_000 },
            { ...sender, name: 'new', hasSent: false },
          ],
        },
      }),
    );
    assert.match(
      text,
      /arrives far 12 samples waiting 3 minutes behind late 12 samples waiting, 3,000 given up nothing sent yet new/,
    );
    assert.match(text, /no failure am:9093/);
  });

  it('says of what it does not know that it does not know it', () => {
    const reason = 'connect ECONNREFUSED';
    const unknown = { known: false, reason } as const;
    const text = says(
      factsOf({
        alerts: unknown,
        senders: unknown,
        metrics: unknown,
        usage: unknown,
        status: { capacity: undefined as never },
      }),
    );
    assert.equal(text.split(`Not known: ${reason}`).length, 4);
    assert.match(text, /Storage not known Somebody else runs this Prometheus/);
  });

  it('has the command that drops the largest metric, beside those that are dropped already', () => {
    const metrics = {
      known: true,
      value: {
        series: 100,
        top: [
          { name: 'up', series: 60 },
          { name: 'big_bucket', series: 40 },
        ],
      },
    } as const;
    const text = says(factsOf({ metrics, settings: { drop_metrics: 'go_*' } }));
    assert.match(text, /big_bucket 40 40 % 117 KiB/);
    assert.match(
      text,
      /tsuru service-instance-update prometheus my-instance --plan-param drop_metrics=go_\*,big_bucket/,
    );
  });

  it('is below 300 KB with 5,000 units, whatever is chosen, and all of them can be reached', (t) => {
    const units = (name: string, number: number): ReturnType<typeof up>[] =>
      Array.from({ length: number }, (_, index) =>
        (index % 10 === 0 ? down : up)(
          `${name}-web-5d8f9c7b6d-${index}`,
          'server returned HTTP status 500 Internal Server Error',
        ),
      );
    const large = [
      [
        '100 apps with 50 units',
        Array.from({ length: 100 }, (_, index) =>
          app(`my-app-${index}`, units(`my-app-${index}`, 50), {
            problems: ['5 targets of the process web are down: see "tsuru app-log"'],
          }),
        ),
      ],
      ['1 app with 5,000 units', [app('my-app-0', units('my-app-0', 5_000))]],
      [
        '5,000 apps with a unit',
        Array.from({ length: 5_000 }, (_, index) => app(`my-app-${index}`, units(`my-app-${index}`, 1))),
      ],
    ] as const;
    for (const [what, apps] of large) {
      const facts = factsOf({ status: { apps } });
      for (const query of ['', 'state=up', 'state=down', 'app=my-app-0', 'state=up&page=7'])
        measured(t, `${what}, ?${query}`, () => pageOf(facts, query));
    }
    const facts = factsOf({ status: { apps: large[1][1] } });
    const seen = new Set<string>();
    for (let page = 1; page <= 20; page += 1)
      for (const [, unit = ''] of pageOf(facts, `app=my-app-0&page=${page}`).matchAll(
        /(my-app-0-web-5d8f9c7b6d-\d+)<\/a>/g,
      ))
        seen.add(unit);
    assert.equal(seen.size, 5_000);
  });
});

/** The size is a promise; the time is what this machine takes. */
function measured(t: TestContext, what: string, render: () => string): void {
  const startedMs = performance.now();
  const bytes = Buffer.byteLength(render());
  t.diagnostic(`${what}: ${Math.round(bytes / 1000)} kB in ${Math.round(performance.now() - startedMs)} ms`);
  assert.ok(bytes < 300_000, `${what}: ${bytes} bytes`);
}
