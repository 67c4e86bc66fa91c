import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Annotations, Unit } from '../../../agent/discovery/known-apps.ts';
import { discover, type AppDiscovery } from '../../../agent/discovery/discover.ts';
import { byName, known, OPTIONS, port, unit, type Parts } from '../../support/known-apps.ts';

/** What is discovered of one app. */
function discoverOne(parts: Parts, targetsPerApp = OPTIONS.targetsPerApp): AppDiscovery {
  const [app] = discover(byName(known('my-app', parts)), { ...OPTIONS, targetsPerApp }).apps;
  assert.ok(app);
  return app;
}

/** The addresses of the targets of an app with these units. */
function addresses(parts: Parts): string[] {
  return discoverOne(parts).targets.map(({ address }) => address);
}

function withAnnotations(app: Annotations, process: Annotations = {}): AppDiscovery {
  return discoverOne({ app: { annotations: app }, details: { processes: { web: process } } });
}

function labelsWith(app: Annotations): Readonly<Record<string, string>> {
  const { targets } = withAnnotations(app);
  return Object.fromEntries(
    Object.entries(targets[0]?.group.labels ?? {}).filter(([name]) => !name.startsWith('__meta')),
  );
}

describe('the address of a unit', () => {
  const table: readonly [string, Partial<Unit>, Parts['details'], string[]][] = [
    ["is its pod's IP with the port of its process", {}, { ports: [port(9100)] }, ['10.0.0.1:9100']],
    ['takes 8888 first if the process has several ports', {}, { ports: [port(80), port(8888)] }, ['10.0.0.1:8888']],
    ['takes the lowest port without 8888', {}, { ports: [port(9100), port(8080)] }, ['10.0.0.1:8080']],
    ['ignores UDP ports', {}, { ports: [port(53, { protocol: 'UDP' }), port(9100)] }, ['10.0.0.1:9100']],
    ['ignores the ports of other processes', {}, { ports: [port(1, { process: 'worker' }), port(2)] }, ['10.0.0.1:2']],
    [
      "prefers the ports of the unit's own version",
      { version: '2' },
      { ports: [port(8888, { version: '1' }), port(9100, { version: '2' })] },
      ['10.0.0.1:9100'],
    ],
    [
      'takes the ports of another version when its own has none yet',
      { version: '3' },
      { ports: [port(9, { version: '2' })] },
      ['10.0.0.1:9'],
    ],
    ['puts IPv6 in brackets', { internalIp: 'fd00::7' }, {}, ['[fd00::7]:8888']],
    [
      'is that of an old provisioner, port and all',
      { internalIp: '', hostPort: '10.1.1.1:32768' },
      {},
      ['10.1.1.1:32768'],
    ],
    [
      'is that of an old provisioner with IPv6',
      { internalIp: '', hostPort: '[fd00::1]:32768' },
      {},
      ['[fd00::1]:32768'],
    ],
    ["is the pod's even when there is another", { hostPort: '10.1.1.1:1' }, {}, ['10.0.0.1:8888']],
    ['is none without a TCP port', {}, { ports: [port(53, { protocol: 'UDP' })] }, []],
    ['is none while it has no IP', { internalIp: '' }, {}, []],
    ['is none when its IP is no IP', { internalIp: 'evil.example.com' }, {}, []],
    ['is none when the port is no port', {}, { ports: [port(0), port(70_000), port(1.5)] }, []],
  ];
  for (const [title, more, details, expected] of table) {
    it(title, () => {
      assert.deepEqual(addresses({ units: [unit('u', more)], details: details ?? {} }), expected);
    });
  }

  it('takes the port annotated on the process before that on the app, and both before any other', () => {
    const address = (app: Annotations, process: Annotations): string | undefined =>
      withAnnotations(app, process).targets[0]?.address;
    assert.equal(address({ 'prometheus.io/port': '1' }, { 'prometheus.io/port': '2' }), '10.0.0.1:2');
    assert.equal(address({ 'prometheus.io/port': '1' }, {}), '10.0.0.1:1');
  });
});

describe('a unit is left out', () => {
  const table: readonly [string, Partial<Unit>, string, RegExp][] = [
    ['while it is created', { status: 'created' }, 'created', /being created/],
    ['while it is built', { status: 'building' }, 'building', /being built/],
    ['when it is stopped', { status: 'stopped' }, 'stopped', /stopped/],
    ['when it has ended', { status: 'succeeded' }, 'succeeded', /ended/],
    ['without an address', { internalIp: '' }, 'no_address', /no address/],
    ['without a process, as one-off pods are', { process: '' }, 'no_process', /tsuru app run/],
    ['when its process has no port', { process: 'silent' }, 'no_port', /process silent listens on no TCP port/],
  ];
  for (const [title, more, reason, text] of table) {
    it(`${title}, with a reason`, () => {
      const { targets, leftOut } = discoverOne({ units: [unit('u', more)] });
      assert.deepEqual(targets, []);
      assert.equal(leftOut[0]?.reason, reason);
      assert.match(leftOut[0].text, text);
    });
  }

  it('when its app or its process opts out, and only then', () => {
    const optOut = { 'prometheus.io/scrape': 'false' };
    assert.equal(withAnnotations(optOut).leftOut[0]?.reason, 'opted_out');
    assert.equal(withAnnotations({}, optOut).leftOut[0]?.reason, 'opted_out');
    assert.equal(withAnnotations(optOut, { 'prometheus.io/scrape': 'true' }).targets.length, 1);
  });

  it('beyond the limit of targets an app, always the same ones', () => {
    const units = ['c', 'a', 'b'].map((name, index) => unit(name, { internalIp: `10.0.0.${index}` }));
    const { targets, leftOut } = discoverOne({ units }, 2);
    assert.deepEqual(
      targets.map((target) => target.unit.name),
      ['a', 'b'],
    );
    assert.deepEqual(
      leftOut.map((left) => [left.unit.name, left.reason]),
      [['c', 'target_limit']],
    );
  });

  it('never because it starts or crashes, or has a status that is not known here', () => {
    for (const status of ['starting', 'started', 'error', 'unreachable', '']) {
      assert.equal(addresses({ units: [unit('u', { status })] }).length, 1, status);
    }
  });
});

describe('annotations', () => {
  it('become the path, scheme, interval, timeout and parameters of the target', () => {
    assert.deepEqual(
      labelsWith({
        'prometheus.io/path': '/internal/metrics?format=text&name[]=x',
        'prometheus.io/scheme': 'https',
        'prometheus.io/interval': '1m',
        'prometheus.io/timeout': '30s',
      }),
      {
        __metrics_path__: '/internal/metrics',
        __param_format: 'text',
        __scheme__: 'https',
        __scrape_interval__: '1m',
        __scrape_timeout__: '30s',
      },
    );
  });

  it('with an interval below the default timeout bring the timeout down to it: Prometheus drops the target otherwise', () => {
    assert.deepEqual(labelsWith({ 'prometheus.io/interval': '5s' }), {
      __scrape_interval__: '5s',
      __scrape_timeout__: '5s',
    });
  });

  it('with a timeout above the interval bring the timeout down to it, and say so', () => {
    const { problems } = withAnnotations({ 'prometheus.io/timeout': '1m' });
    assert.deepEqual(labelsWith({ 'prometheus.io/timeout': '1m' }), {
      __scrape_interval__: '15s',
      __scrape_timeout__: '15s',
    });
    assert.match(problems.join(), /timeout=1m is above the interval, so 15s is used/);
  });

  it('give Prometheus the decoded path, as it encodes paths itself', () => {
    assert.deepEqual(labelsWith({ 'prometheus.io/path': '/a%20b' }), { __metrics_path__: '/a b' });
  });

  it('without a leading slash get one', () => {
    assert.deepEqual(labelsWith({ 'prometheus.io/path': 'stats' }), { __metrics_path__: '/stats' });
  });

  const senseless: readonly [string, string, RegExp][] = [
    ['port', 'abc', /port=abc is ignored: it must be a port number/],
    ['port', '70000', /port=70000 is ignored/],
    ['port', '80 OR 1=1', /is ignored/],
    ['scrape', 'nope', /scrape=nope is ignored: it must be "true" or "false"/],
    ['scheme', 'ftp', /scheme=ftp is ignored: it must be "http" or "https"/],
    ['path', 'http://other.example.com/metrics', /is ignored: it must be a path/],
    ['path', '//other.example.com/metrics', /is ignored: it must be a path/],
    ['path', '/a%ZZ', /is ignored: it must be a path/],
    ['path', '/metrics?collect[]=cpu', /parameter collect\[\] in prometheus.io\/path is ignored/],
    ['path', '/metrics?verbose', /parameter verbose in prometheus.io\/path is ignored/],
    ['path', '/metrics?a=1&a=2', /parameter a in prometheus.io\/path is given twice/],
    ['interval', '15', /interval=15 is ignored: it must be a duration/],
    ['interval', '1ms', /interval=1ms is ignored/],
    ['timeout', 'soon', /timeout=soon is ignored/],
    ['prot', '80', /prometheus.io\/prot is not known here/],
  ];
  for (const [name, value, problem] of senseless) {
    it(`that are invalid lose no target and are reported: ${name}=${value}`, () => {
      const { targets, problems } = withAnnotations({ [`prometheus.io/${name}`]: value });
      assert.equal(targets[0]?.address, '10.0.0.1:8888');
      assert.match(problems.join('\n'), problem);
    });
  }

  it('of a process that are invalid leave those of the app in force', () => {
    const { targets } = withAnnotations({ 'prometheus.io/port': '9100' }, { 'prometheus.io/port': 'abc' });
    assert.equal(targets[0]?.address, '10.0.0.1:9100');
  });

  it('of one process do not apply to another whose name is that of an object property', () => {
    const { targets } = discoverOne({
      units: [unit('u', { process: 'constructor' })],
      details: { ports: [port(80, { process: 'constructor' })] },
    });
    assert.equal(targets[0]?.address, '10.0.0.1:80');
  });
});

describe('labels', () => {
  it('name the app, process, unit, pool, team, version, platform, and the labels of the app', () => {
    const { groups } = discoverOne({ app: { labels: { 'cost-center': '42' } } });
    assert.deepEqual(groups, [
      {
        targets: ['10.0.0.1:8888'],
        labels: {
          __meta_tsuru_app: 'my-app',
          __meta_tsuru_process: 'web',
          __meta_tsuru_unit: 'my-app-1',
          __meta_tsuru_pool: 'dev',
          __meta_tsuru_team: 'shop',
          __meta_tsuru_version: '1',
          __meta_tsuru_platform: 'nodejs',
          __meta_tsuru_label_cost_center: '42',
        },
      },
    ]);
  });

  it('hold only what Prometheus accepts', () => {
    const { groups } = discoverOne({ app: { pool: 'half \ud800 of a pair', labels: { 'a.b': '1', 'a-b': '2' } } });
    assert.equal(groups[0]?.labels['__meta_tsuru_pool'], 'half \ufffd of a pair');
    assert.equal(groups[0].labels['__meta_tsuru_label_a_b'], '2');
  });
});

describe('two units', () => {
  it('with one name are two targets', () => {
    const units = [unit('same', { internalIp: '10.0.0.2' }), unit('same', { internalIp: '10.0.0.1' })];
    const names = discoverOne({ units }).groups.map(({ labels }) => labels['__meta_tsuru_unit']);
    assert.deepEqual(names, ['same (10.0.0.1:8888)', 'same (10.0.0.2:8888)']);
  });

  it('without a name are two targets, called by their addresses', () => {
    const units = ['10.0.0.1', '10.0.0.2'].map((internalIp) => unit('', { internalIp }));
    const names = discoverOne({ units }).groups.map(({ labels }) => labels['__meta_tsuru_unit']);
    assert.deepEqual(names, ['10.0.0.1:8888', '10.0.0.2:8888']);
  });

  it('whose names differ only in what Prometheus cannot take are two targets', () => {
    const units = [unit('a\ud800', { internalIp: '10.0.0.1' }), unit('a\ud801', { internalIp: '10.0.0.2' })];
    assert.equal(new Set(discoverOne({ units }).groups.map(({ labels }) => labels['__meta_tsuru_unit'])).size, 2);
  });

  it('with one name and one address are one unit that is listed twice', () => {
    const { targets, leftOut } = discoverOne({ units: [unit('same'), unit('same')] });
    assert.equal(targets.length, 1);
    assert.equal(leftOut[0]?.reason, 'listed_twice');
  });
});
