import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { readPermissions } from '../../../agent/shared/permissions.ts';
import { mayRead, readAppDetails, readAppList, type ListedApp } from '../../../agent/tsuru/answers.ts';
import { asArray, asObject } from '../../../agent/shared/shape.ts';

const RECORDED = new URL('../../recorded/client-api.json', import.meta.url);

/** The JSON of a recorded answer of a real Tsuru, by its name. */
async function recorded(name: string): Promise<unknown> {
  const exchanges = asArray(JSON.parse(await readFile(RECORDED, 'utf8')), 'recording').map((raw) =>
    asObject(raw, 'exchange'),
  );
  const exchange = exchanges.find((candidate) => candidate['name'] === name);
  assert.ok(exchange, name);
  return asObject(exchange['response'], 'response')['json'];
}

function readOne(app: object): ListedApp {
  const listed = readAppList([{ name: 'a', units: [], ...app }]).apps.get('a');
  assert.ok(listed);
  return listed;
}

describe("Tsuru's list of apps", () => {
  it('is read as recorded', async () => {
    const { apps, problems } = readAppList(await recorded('apps: exactly what the token may read'));
    assert.deepEqual(problems, []);
    assert.deepEqual([...apps.keys()], ['my-app', 'prometheus-my-instance']);
    const listed = apps.get('my-app');
    assert.deepEqual(listed?.app, {
      name: 'my-app',
      pool: 'dev',
      team: 'shop',
      annotations: { 'prometheus.io/port': '9100', 'prometheus.io/path': '/internal/metrics' },
      labels: {},
    });
    assert.ok(listed.units.kind === 'known');
    assert.deepEqual(listed.units.units[0], {
      id: 'my-app-web-00001eef-00001',
      name: 'my-app-web-00001eef-00001',
      process: 'web',
      status: 'started',
      version: '1',
      internalIp: '127.1.0.2',
      hostPort: '127.1.0.2:8888',
    });
  });

  it('says that units are unknown where it has an error, as recorded', async () => {
    const { apps } = readAppList(await recorded('apps: units of one app unknown'));
    assert.deepEqual(apps.get('my-app')?.units, {
      kind: 'unknown',
      reason: 'Tsuru says: unable to list app units: Get "https://cluster/api/v1/pods": dial tcp: i/o timeout',
    });
  });

  it('tells the units where the error is about something else', () => {
    const error = 'unable to get units metrics: no metrics here\nunable to get app addresses: no router';
    assert.deepEqual(readOne({ error }).units, { kind: 'known', units: [] });
    const { units } = readOne({ error: `${error}\nunable to list app units: EOF` });
    assert.deepEqual(units, { kind: 'unknown', reason: 'Tsuru says: unable to list app units: EOF' });
  });

  it('takes the first value in order of an annotation that is there twice', () => {
    const annotations = [
      { name: 'prometheus.io/port', value: '9100' },
      { name: 'prometheus.io/port', value: '80' },
    ];
    for (const listed of [annotations, annotations.toReversed()]) {
      assert.deepEqual(readOne({ metadata: { annotations: listed } }).app.annotations, { 'prometheus.io/port': '80' });
    }
  });

  it('takes the entry with known units of an app that is there twice', () => {
    const entries = [
      { name: 'a', units: [], error: 'unable to list app units: EOF' },
      { name: 'a', units: [{ ID: 'a-1' }] },
    ];
    for (const list of [entries, entries.toReversed()]) {
      assert.equal(readAppList(list).apps.get('a')?.units.kind, 'known');
    }
  });

  it('takes the first of several addresses in order: own names, then routers by name, then its ip', () => {
    const routers = [
      { name: 'b', address: 'b.example.com' },
      { name: 'a', address: '' },
      { name: 'c', address: 'c.example.com' },
    ];
    for (const list of [routers, routers.toReversed()]) {
      assert.equal(readOne({ routers: list, ip: 'ip.example.com' }).address, 'b.example.com');
      assert.equal(readOne({ routers: list, cname: ['y.com', 'x.com'] }).address, 'x.com');
    }
    assert.equal(readOne({ routers: [], cname: null, ip: 'ip.example.com' }).address, 'ip.example.com');
    assert.equal(readOne({}).address, '');
  });

  const unreadable: readonly [string, object, RegExp][] = [
    ['no units', { units: undefined }, /units is missing, not a list/],
    ['null for units', { units: null }, /units is null, not a list/],
    ['units that are no objects', { units: ['x'] }, /units\[0\] is a string, not an object/],
    [
      'a unit with a number for an address',
      { units: [{ InternalIP: 7 }] },
      /units\[0\]\.InternalIP is a number, not a string/,
    ],
    ['metadata that is no object', { metadata: 'x' }, /metadata is a string/],
    ['an error that is no text', { error: { code: 1 } }, /Tsuru says: {"code":1}/],
  ];
  for (const [title, app, reason] of unreadable) {
    it(`makes an app with ${title} one with unknown units, and never one without`, () => {
      const { units } = readOne(app);
      assert.ok(units.kind === 'unknown');
      assert.match(units.reason, reason);
    });
  }

  it('is read without entries that have no name or a duplicate one, which are reported', () => {
    const { apps, problems } = readAppList([null, { units: [] }, { name: 'a', units: [] }, { name: 'a', units: [{}] }]);
    assert.deepEqual([...apps.keys()], ['a']);
    assert.deepEqual(apps.get('a')?.units, { kind: 'known', units: [] });
    assert.equal(problems.length, 3);
  });

  it('is refused when it is no list', () => {
    for (const body of [null, {}, 'x', 7, { apps: [] }]) assert.throws(() => readAppList(body), /not a list/);
  });

  it('takes the address of old provisioners from Address.Host, or HostAddr and HostPort', () => {
    const hostPort = (unit: object): string | undefined => {
      const { units } = readOne({ units: [unit] });
      return units.kind === 'known' ? units.units[0]?.hostPort : undefined;
    };
    assert.equal(hostPort({ Address: { Host: '10.0.0.1:32768' } }), '10.0.0.1:32768');
    assert.equal(hostPort({ HostAddr: '10.0.0.1', HostPort: '80' }), '10.0.0.1:80');
    assert.equal(hostPort({ HostAddr: 'fd00::1', HostPort: 80 }), '[fd00::1]:80');
    assert.equal(hostPort({ Address: null, HostAddr: '10.0.0.1' }), '');
  });
});

describe('the details of an app', () => {
  it('are read as recorded', async () => {
    assert.deepEqual(readAppDetails(await recorded('app in full, two processes'), 'two-processes'), {
      platform: '',
      ports: [
        { process: 'web', protocol: 'TCP', targetPort: 9100, version: '' },
        { process: 'worker', protocol: 'TCP', targetPort: 9100, version: '' },
      ],
      processes: {},
    });
  });

  it('tell the ports even while the units are unknown, as recorded', async () => {
    assert.equal(readAppDetails(await recorded('app in full: units unknown'), 'my-app').ports[0]?.targetPort, 8888);
  });

  it('with an error and no ports are refused, so that the ports known before stay', () => {
    for (const internalAddresses of [undefined, null, []]) {
      assert.throws(
        () => readAppDetails({ name: 'a', error: 'unable to list internal addresses', internalAddresses }, 'a'),
        /no ports, and an error/,
      );
    }
  });

  const METRICS =
    'unable to get units metrics: the server could not find the requested resource (get pods.metrics.k8s.io)';
  const UNITS = 'unable to list app units: Get "https://cluster/api/v1/pods": dial tcp: i/o timeout';

  it('without ports mean that there are none where the error is about something else', () => {
    for (const error of [
      METRICS,
      `${METRICS}\nunable to get autoscale info: boom\nunable to get app quota: no such document`,
      'unable to get app addresses: dial tcp: lookup router.example.com: no such host',
      'unable to get autoscale recommendation info: the server could not find the requested resource',
      'unable to get volume binds: EOF\nunable to get service instance bound to app: EOF',
      `${METRICS}\ngoroutine 1 [running]:\nunits.go:12`,
    ]) {
      const answer = { name: 'a', deploys: 3, units: [{ ID: 'a-1' }], error };
      assert.deepEqual(readAppDetails(answer, 'a').ports, [], error);
    }
  });

  it('without ports are refused where any part of the error is about units or addresses', () => {
    for (const error of [
      UNITS,
      `${METRICS}\n${UNITS}`,
      `${UNITS}\n${METRICS}`,
      `${METRICS}; ${UNITS}`,
      'unable to get app cluster internal addresses: dial tcp: i/o timeout',
      `unable to get provisioner name: EOF\n${METRICS}`,
    ]) {
      assert.throws(
        () => readAppDetails({ name: 'a', deploys: 3, units: [], error }, 'a'),
        /no ports, and an error/,
        error,
      );
    }
  });

  it('with an error that is not known here and without ports are refused while the app has units', () => {
    assert.throws(() => readAppDetails({ name: 'a', units: [{ ID: 'a-1' }], error: 'boom' }, 'a'), /an error: boom/);
    assert.deepEqual(readAppDetails({ name: 'a', units: [], error: 'boom' }, 'a').ports, []);
  });

  it('of an app without a deploy are no problem, whatever the error', () => {
    assert.deepEqual(readAppDetails({ name: 'a', deploys: 0, units: [], error: UNITS }, 'a').ports, []);
  });

  it('without an error and without ports mean that there are none', () => {
    assert.deepEqual(readAppDetails({ name: 'a', internalAddresses: [] }, 'a').ports, []);
    assert.deepEqual(readAppDetails({ name: 'a' }, 'a').ports, []);
  });

  it('of another app, or of none, are refused: they would say that it has no ports', () => {
    for (const body of [{}, { apps: [] }, { name: 'b' }]) assert.throws(() => readAppDetails(body, 'a'), /not about a/);
  });

  it('tell the annotations of processes', () => {
    const metadata = { annotations: [{ name: 'prometheus.io/scrape', value: 'false' }], labels: null };
    const { processes } = readAppDetails(
      { name: 'a', processes: [{ name: 'worker', metadata }, { name: 'web' }] },
      'a',
    );
    assert.deepEqual(processes, { worker: { 'prometheus.io/scrape': 'false' }, web: {} });
  });
});

describe('the permissions of a token', () => {
  it('are read as recorded, and tell which apps it may read', async () => {
    const permissions = readPermissions(await recorded('who am I'));
    assert.equal(mayRead(permissions, 'my-app'), true);
    assert.equal(mayRead(permissions, 'two-processes'), false);
  });

  it('in a wider context, or of a wider name, may let it read any app', () => {
    for (const permission of [
      { name: 'app.read.info', contextType: 'global', contextValue: '' },
      { name: 'app.read', contextType: 'team', contextValue: 'shop' },
      { name: '', contextType: 'global', contextValue: '' },
      { name: 'app', contextType: 'app', contextValue: 'my-app' },
    ]) {
      assert.equal(mayRead([permission], 'my-app'), true, JSON.stringify(permission));
    }
  });

  it('to read something else of an app do not count', () => {
    assert.equal(mayRead([{ name: 'app.read.env', contextType: 'app', contextValue: 'my-app' }], 'my-app'), false);
  });

  it('are empty only if the answer says so', () => {
    assert.deepEqual(readPermissions({ Email: 'x', Permissions: null }), []);
    for (const body of [{}, { Email: 'x' }, null, [], { Permissions: 'x' }]) assert.throws(() => readPermissions(body));
  });
});
