import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VARIABLES } from '../../../../agent/config.ts';
import { passedOn } from '../../../../agent/prometheus/process/flags.ts';
import { REPLICA_LABEL } from '../../../../agent/shared/settings/labels.ts';
import {
  parseSettings,
  readSettings,
  SETTINGS_ANNOTATION,
  type SettingsOptions,
} from '../../../../agent/shared/settings/settings.ts';
import type { SettingsResult } from '../../../../agent/shared/settings/settle.ts';

function problemsOf(result: SettingsResult): readonly string[] {
  return result.ok ? [] : result.problems;
}

function refused(input: Readonly<Record<string, unknown>>, options?: SettingsOptions): readonly string[] {
  return problemsOf(readSettings(input, options));
}

const DURATION = 'must be a duration from 1h to 10y.';
const SIZE = 'must be a size in bytes from 16MB to 100TB.';
const NUMBER = 'must be a whole number from 1 to 100000.';
const PUT = `put the secret in an environment variable of the instance's app ("tsuru env-set -p") and name it in`;
const REFUSED = 'is refused, as settings are no place for a secret:';
const ENV =
  'must be the name of an environment variable that holds the secret: capital letters, digits and _, such as REMOTE_WRITE_PASSWORD.';

const inUrl = (parameter: string): string =>
  `has ${parameter} in its URL, which Prometheus shows in its pages and its log: send a secret with basic_auth, authorization, or a header of remote_write as {env: NAME}. A URL can hold api-version, bucket, cluster, consistency, dataset, db, env, extra_label, namespace, org, orgID, physical_table, precision, project, prometheus_server, region, rp, source, tenant, timeout.`;

/** One setting's value, and all that is said of it behind its name. */
type Table = readonly (readonly [value: unknown, ...sentences: string[]])[];

function check(name: string, table: Table): void {
  for (const [value, ...sentences] of table) {
    const expected = sentences.map((sentence) => `${name}${sentence}`);
    assert.deepEqual(refused({ [name]: value }), expected, JSON.stringify(value).slice(0, 100));
  }
}

describe('what is wrong with a setting', () => {
  it('is reported of a duration, with a suggestion', () => {
    check('retention', [
      ['15', `=15 cannot be used: it has no unit: write 15s, 15m, 15h or 15d. It ${DURATION}`],
      [15, `=15 cannot be used: it has no unit: write 15s, 15m, 15h or 15d. It ${DURATION}`],
      ['15 d', `=15 d cannot be used: a duration has no spaces: write 15d. It ${DURATION}`],
      ['1.5h', `=1.5h cannot be used: a duration has no fractions: write 1h30m. It ${DURATION}`],
      ['30days', `=30days cannot be used: write 30d. It ${DURATION}`],
      ['15D', `=15D cannot be used: write 15d. It ${DURATION}`],
      ['30m2h', `=30m2h cannot be used: write 2h30m. It ${DURATION}`],
      ['off', `=off cannot be used: it cannot be switched off, only left out for its default. It ${DURATION}`],
      ['soon', `=soon cannot be used: it ${DURATION}`],
      ['0', `=0 cannot be used: it ${DURATION}`],
      ['59m', `=59m cannot be used: it ${DURATION}`],
      ['11y', `=11y cannot be used: it ${DURATION}`],
      [true, ' cannot be true: it must be a duration from 1h to 10y.'],
      [null, ' cannot be null: leave it out for its default.'],
      [['15d'], ' cannot be a list: it must be a duration from 1h to 10y.'],
      [{ days: 15 }, ' cannot be a map: it must be a duration from 1h to 10y.'],
      ['\ud800', ' holds half a character (a lone surrogate), which is no text.'],
      ['9'.repeat(1_000_000), ' is too long: 65536 characters are the most.'],
      ['http://me:secret@host', `=… cannot be used: it ${DURATION}`],
    ]);
  });

  it('is reported of a size', () => {
    const units = "(Prometheus' units are powers of two)";
    check('retention_size', [
      ['512mb', `=512mb cannot be used: write 512MB ${units}. It ${SIZE}`],
      ['512MiB', `=512MiB cannot be used: write 512MB ${units}. It ${SIZE}`],
      ['512 MB', `=512 MB cannot be used: write 512MB ${units}. It ${SIZE}`],
      ['1.5GB', `=1.5GB cannot be used: write 1536MB ${units}. It ${SIZE}`],
      ['512', `=512 cannot be used: it has no unit: write 512MB, 512GB or 512B. It ${SIZE}`],
      ['off', `=off cannot be used: it cannot be switched off by a word, only left out. It ${SIZE}`],
      ['15MB', `=15MB cannot be used: it ${SIZE}`],
      ['101TB', `=101TB cannot be used: it ${SIZE}`],
      ['999999999999999TB', `=999999999999999TB cannot be used: it ${SIZE}`],
    ]);
  });

  it('is reported of a number and of a word', () => {
    check('targets_per_app', [
      ['10_000', `=10_000 cannot be used: write 10000. It ${NUMBER}`],
      ['10,000', `=10,000 cannot be used: write 10000. It ${NUMBER}`],
      ['10k', `=10k cannot be used: write 10000. It ${NUMBER}`],
      [1.5, `=1.5 cannot be used: it ${NUMBER}`],
      [-1, `=-1 cannot be used: it ${NUMBER}`],
      [0, `=0 cannot be used: it ${NUMBER}`],
    ]);
    check('storage', [
      ['tmpf', '=tmpf is not known, did you mean "tmpfs"?'],
      ['disk', '=disk is not known: there are tmpfs, ephemeral.'],
    ]);
  });

  it('is reported of metrics to drop', () => {
    const names = 'names of metrics, with * for any characters, such as go_*,http_request_duration_seconds_bucket.';
    check('drop_metrics', [
      ['a,b-c', ` has b-c, which is no name: it must be ${names}`],
      ['go_.+', ` has go_.+, which is no name: it must be ${names}`],
      ['9a', ` has 9a, which is no name: it must be ${names}`],
      [[''], ` has "", which is no name: it must be ${names}`],
      [{ a: 'b' }, ` cannot be a map: it must be ${names}`],
      ['**', ' has *, which would drop everything: unbind the apps instead.'],
    ]);
  });

  it('is reported of external labels', () => {
    check('external_labels', [
      ['a=b,a=c', ' has a twice: give it once.'],
      ['a: b\na: c', ' (line 2) has a twice: give it once.'],
      ['a=b,c', ' must be name=value,name=value: one part has no =. A value with a comma needs a map in YAML.'],
      ['a', ' cannot be a text: it must be labels as name=value,name=value, or a map of them.'],
      [['a=b'], ' cannot be a list: it must be labels as name=value,name=value, or a map of them.'],
      ['a-b=c', ' has the label a-b, which is no name: it must be letters, digits and _, and not start with a digit.'],
      ['=c', ' has the label "", which has no name.'],
      ['__a=b', " has the label __a, which is Prometheus' own: names that start with __ never leave it."],
      [
        '{"__proto__": "x"}',
        " has the label __proto__, which is Prometheus' own: names that start with __ never leave it.",
      ],
      [
        `${REPLICA_LABEL}=a`,
        ' has the label prometheus_replica, which is set by the instance itself: choose another name.',
      ],
      ['a=', '.a is empty, which to Prometheus is no label: leave it out.'],
      ['a: ', '.a cannot be null: it must be a text.'],
      ['a=$TSURU_TOKEN', '.a cannot hold a $: Prometheus 3 would put a variable there.'],
      [
        'a: b\n c: d',
        ' is neither name=value,name=value nor a map in YAML: bad indentation of a mapping entry (line 2).',
      ],
    ]);
  });

  it('is reported of rules that are no rules; promtool checks the rest', () => {
    check('rules', [
      [
        'rules.yml',
        ' must be the text of the rules, not the name of a file: use --plan-param rules="$(cat rules.yml)".',
      ],
      ['- name: shop', ' must be a map with groups: put "groups:" above the list.'],
      [
        'kind: PrometheusRule\nspec: {}',
        ' is a Kubernetes object: give what is below its spec, which starts with "groups:".',
      ],
      ['a: b', ' has no groups: it must be a rule file of Prometheus, which starts with "groups:".'],
      ['groups: ['],
      ['{}'],
      ['# nothing yet'],
      ['groups:\n- {name: a}\n---\ngroups: []'],
      ['groups:\n- &a {name: a}\n- {<<: *a, name: b}'],
      ['groups:\n- rules: [{exp: up}]'],
    ]);
  });

  it('is reported of a query that may hold a secret, without quoting it', () => {
    check('remote_write', [
      ...[
        ['api_key=hunter2', 'api_key'],
        ['db=shop&API-Key=hunter2', 'API-Key'],
        ['db=shop;token=hunter2', 'token'],
        ['X-License-Key=hunter2', 'X-License-Key'],
        ['u=me&p=hunter2', 'u'],
        ['%74oken=hunter2', 'token'],
        ['hunter2', 'a parameter'],
        ['hunter2=', 'a parameter'],
        ['a%20b=hunter2', 'a parameter'],
        ['db', undefined],
        ['extra_label=prometheus_instance=mine&extra_label=a=b', undefined],
        ['org=shop&bucket=metrics&precision=ms', undefined],
        ['api-version=2023-04-24', undefined],
        ['prometheus_server=shop', undefined],
        ['', undefined],
      ].map(
        ([query, told]) =>
          [`https://metrics/write?${query}`, ...(told === undefined ? [] : [`[0].url ${inUrl(told)}`])] as const,
      ),
    ]);
  });

  it('is reported of a credential that names a reserved variable', () => {
    const own = [
      ...VARIABLES.map(({ name }) => name),
      ...Object.keys(passedOn(new Proxy({}, { get: () => 'set' }))).filter((name) => /^[A-Z]/.test(name)),
      ...['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'ALL_PROXY', 'FTP_PROXY', 'PROXY'],
      ...['NODE_OPTIONS', 'NODE_EXTRA_CA_CERTS', 'LD_PRELOAD', 'GOMEMLIMIT', 'GODEBUG', 'SSL_CERT_FILE', 'HOSTNAME'],
      ...['TSURU_SERVICES', 'KUBERNETES_SERVICE_HOST', 'BROKER_PASSWORD', 'MALLOC_ARENA_MAX', '_'],
    ];
    for (const name of own) {
      const wanted = /names a variable of Tsuru or of the agent itself/;
      assert.match(
        refused({ remote_write: [{ url: 'https://a', authorization: { credentials_env: name } }] }).join(),
        wanted,
        name,
      );
      assert.match(
        refused({ remote_write: [{ url: 'https://a', headers: { 'X-Key': { env: name } } }] }).join(),
        wanted,
        name,
      );
      const basic_auth = { username: 'me', password_env: name };
      assert.match(refused({ alertmanagers: [{ url: 'https://a', basic_auth }] }).join(), wanted, name);
    }
    for (const name of ['REMOTE_WRITE_PASSWORD', 'PROXY_PASSWORD', 'GOOGLE_TOKEN', 'HOME_TOKEN', 'MY_PORT'])
      assert.deepEqual(refused({ remote_write: [{ url: 'https://a', authorization: { credentials_env: name } }] }), []);
  });

  it('is reported of endpoints, with the way to give a secret', () => {
    check('remote_write', [
      ['not a url', ' must be URLs that start with http:// or https://, or a list of maps in YAML.'],
      ['metrics:9090', '[0].url must be a URL that starts with http:// or https://.'],
      ['ftp://metrics', '[0].url must be a URL that starts with http:// or https://.'],
      [
        'https://me:hunter2@metrics/write',
        `[0].url has a user or password in its URL, as settings are no place for a secret: put the password in an environment variable of the instance's app ("tsuru env-set -p") and name it in basic_auth.password_env, beside basic_auth.username.`,
      ],
      [
        { url: 'https://metrics', basic_auth: { username: 'me', password: 'hunter2' } },
        `[0].basic_auth.password ${REFUSED} ${PUT} basic_auth.password_env.`,
      ],
      [
        { url: 'https://metrics', bearer_token: 'hunter2' },
        `[0].bearer_token ${REFUSED} ${PUT} authorization.credentials_env.`,
      ],
      [
        'url: https://metrics\nauthorization:\n  credentials: hunter2',
        `[0].authorization.credentials (line 3) ${REFUSED} ${PUT} authorization.credentials_env.`,
      ],
      [
        { url: 'https://metrics', basic_auth: { username: 'me', password_env: 'hunter2' } },
        `[0].basic_auth.password_env ${ENV}`,
      ],
      [
        { url: 'https://metrics', authorization: { credentials_env: 'TSURU_TOKEN' } },
        '[0].authorization.credentials_env names a variable of Tsuru or of the agent itself: choose a name of your own, such as REMOTE_WRITE_PASSWORD.',
      ],
      [
        { url: 'https://metrics', authorization: { type: 'Basic', credentials_env: 'X' } },
        '[0].authorization.type cannot be Basic: use basic_auth with username and password_env.',
      ],
      ...['x-honeycomb-team', 'X-Api-Key', 'Cookie', 'X-Env', 'api'].map(
        (name) =>
          [
            { url: 'https://metrics', headers: { [name]: 'hunter2' } },
            `[0].headers has ${name} in plain text, and settings are no place for a secret: put its value in an environment variable of the instance's app ("tsuru env-set -p") and write {env: NAME} instead. In plain text there can be AccountID, M3-Metrics-Type, M3-Storage-Policy, ProjectID, THANOS-TENANT, X-Greptime-DB-Name, X-Honeycomb-Dataset, X-Scope-OrgID, X-Tenant, X-Tenant-ID.`,
          ] as const,
      ),
      [
        { url: 'https://metrics', headers: { 'x-honeycomb-team': { env: 'hunter2' } } },
        `[0].headers.x-honeycomb-team.env ${ENV}`,
      ],
      [
        { url: 'https://metrics', headers: { 'x-honeycomb-team': {} } },
        `[0].headers.x-honeycomb-team has no env: it is ${ENV.replace('must be ', '')}`,
      ],
      [
        { url: 'https://metrics', headers: { 'x-honeycomb-team': { env: 'GATEWAY_PASSWORD' } } },
        '[0].headers.x-honeycomb-team.env names a variable of Tsuru or of the agent itself: choose a name of your own, such as REMOTE_WRITE_PASSWORD.',
      ],
      [
        { url: 'https://metrics', headers: { 'x-honeycomb-team': { secret: 'hunter2' } } },
        `[0].headers.x-honeycomb-team.secret ${REFUSED} ${PUT} authorization.credentials_env.`,
      ],
      [
        { url: 'https://metrics', headers: { Authorization: 'Bearer hunter2' } },
        '[0].headers has Authorization: use basic_auth or authorization instead.',
      ],
      [
        { url: 'https://metrics', headers: { 'X-Scope-OrgID': 'a', 'x-scope-orgid': { env: 'ORG' } } },
        '[0].headers has x-scope-orgid twice: give it once.',
      ],
      ...['Content-Type', 'User-Agent', 'Proxy-Authorization', 'X-Prometheus-Remote-Write-Version'].map(
        (name) =>
          [
            { url: 'https://metrics', headers: { [name]: { env: 'MINE' } } },
            `[0].headers has ${name}, which Prometheus sets itself: leave it out.`,
          ] as const,
      ),
      [
        { url: 'https://metrics', headers: { Host: 'other' } },
        '[0].headers has Host, which Prometheus sets itself: leave it out.',
      ],
      [{ url: 'https://metrics', ur: 'x' }, '[0] has ur, which is not known, did you mean "url"?'],
      [{ name: 'x' }, '[0] has no url.'],
      [
        [
          { url: 'https://a', name: 'x' },
          { url: 'https://b', name: 'x' },
        ],
        ' has the name x twice: each must have its own.',
      ],
      [['https://a', 'https://a'], ' has the same entry twice: give it once.'],
      [
        { url: 'https://a', write_relabel_configs: [{ action: 'dro', modulus: 0 }] },
        '[0].write_relabel_configs[0].modulus must be a whole number of at least 1.',
        '[0].write_relabel_configs[0].action=dro is not known, did you mean "drop"?',
      ],
    ]);
    check('alertmanagers', [
      ['http://a,http://a/', ' has an Alertmanager twice: give each URL once.'],
      ['http://a/?cluster=one', '[0].url has a query, which Prometheus cannot send to an Alertmanager: leave it out.'],
      ['http://a/?token=hunter2', `[0].url ${inUrl('token')}`],
      [
        'http://me:hunter2@a/',
        `[0].url has a user or password in its URL, as settings are no place for a secret: ${PUT.replace('the secret', 'the password')} basic_auth.password_env, beside basic_auth.username.`,
      ],
      ['- *hunter2', ' is no valid YAML: an alias without its anchor before it.'],
    ]);
  });

  it('is reported of unknown settings', () => {
    const names = ['retenion', 'sample_limit', 'pool', 'poool', '__proto__'];
    const input = Object.fromEntries(names.map((name) => [name, '1d']));
    const [first, second, third, fourth, ...rest] = refused(input, { others: ['pool'] });
    assert.deepEqual(
      [first, second, third],
      [
        'retenion is not a setting, did you mean "retention"?',
        'sample_limit is not a setting, did you mean "samples_per_scrape"?',
        'poool is not a setting, did you mean "pool"?',
      ],
    );
    assert.match(fourth ?? '', /^__proto__ is not a setting: there are storage, .*query_timeout, pool\.$/);
    assert.deepEqual(rest, []);
  });

  it('is reported of values that contradict each other', () => {
    assert.deepEqual(refused({ scrape_timeout: '20s' }), [
      'scrape_timeout=20s cannot be used: it must not be above scrape_interval, which is 15s.',
    ]);
    assert.deepEqual(refused({ retention_size: '2GB', storage_size: '1GB' }), [
      'retention_size=2GB cannot be used: it must not be above storage_size, which is 1GB.',
    ]);
  });

  it('is reported with the plan it comes from', () => {
    const ceilings = { retention: '15d', scrape_interval: '10s', samples_per_scrape: 1000 };
    assert.deepEqual(refused({ retention: '16d', scrape_interval: '9s', samples_per_scrape: '0' }, { ceilings }), [
      'retention=16d cannot be used: 15d is the most that the plan allows.',
      'scrape_interval=9s cannot be used: 10s is the least that the plan allows.',
      'samples_per_scrape=0 cannot be used: 1000 is the most that the plan allows.',
    ]);
    assert.deepEqual(refused({}, { defaults: { retention: '30d' }, ceilings }), [
      "the plan's retention=30d cannot be used: 15d is the most that the plan allows.",
    ]);
    assert.deepEqual(refused({}, { defaults: { retenion: 1 }, ceilings: { storage: 'tmpfs', query_timeout: 5 } }), [
      'the plan\'s retenion is not a setting, did you mean "retention"?',
      "the plan's ceiling for query_timeout=5 cannot be used: it has no unit: write 5s, 5m, 5h or 5d. It must be a duration from 1s to 1h.",
      "the plan's ceiling for storage is not possible: leave it out.",
    ]);
  });

  it('is reported completely, up to a limit', () => {
    assert.equal(refused({ retention: 'x', rules: '- x', storage: 'x' }).length, 3);
    const many = refused(Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`x${index}`, 1])));
    assert.equal(many.length, 21);
    assert.equal(many.at(-1), '981 more problems are not shown.');
  });
});

describe('an annotation', () => {
  it('of a newer broker is refused with the setting that is not known', () => {
    const [problem] = problemsOf(parseSettings('{"retention":"1d","quantum":"yes"}'));
    assert.match(
      problem ?? '',
      /^quantum is not known to this agent \(version [^)]+\), which may be older than the broker: update the instance\.$/,
    );
  });

  it('that is malformed is refused', () => {
    const start = `the annotation ${SETTINGS_ANNOTATION}`;
    const table: readonly (readonly [string, string])[] = [
      ['', `${start} is not JSON: set the settings again with "tsuru service-instance-update".`],
      ['{"retention":', `${start} is not JSON: set the settings again with "tsuru service-instance-update".`],
      ['[]', `${start} is not a JSON object.`],
      ['null', `${start} is not a JSON object.`],
      [' '.repeat(65_537), `${start} is larger than 65536 bytes.`],
    ];
    for (const [text, expected] of table) assert.deepEqual(problemsOf(parseSettings(text)), [expected]);
  });

  it('has room for 64 KiB, counted in bytes', () => {
    const rules = (length: number): string => `groups: []\n#${'é'.repeat(length)}`;
    assert.deepEqual(refused({ rules: rules(30_000) }), []);
    assert.deepEqual(refused({ rules: rules(33_000) }), [
      'the settings take 66027 bytes, but only 65536 fit: shorten the longest, such as rules.',
    ]);
  });
});
