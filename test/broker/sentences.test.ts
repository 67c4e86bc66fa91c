// What people read: a command as it is typed, through Tsuru, as the real client shows the answer.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { expect } from '../support/instance.ts';
import { until } from '../support/until.ts';
import { runCommand, shownError, shownInfo } from '../tsuru/cli-commands.ts';
import { APP, AUTH, startStage, type AgentScript, type Stage } from './stage.ts';

const ADD = 'tsuru service-instance-add prometheus my-instance';
const BIND = 'tsuru service-instance-bind prometheus my-instance';
const UNBIND = 'tsuru service-instance-unbind prometheus my-instance -a my-app';
const UPDATE = 'tsuru service-instance-update prometheus my-instance';
const REMOVE = 'tsuru service-instance-remove prometheus my-instance';
const INFO = 'tsuru service-instance-info prometheus my-instance';

/** What Tsuru puts around a sentence of the broker. */
const created = (sentence: string, code = 400): string =>
  `Failed to create the instance my-instance: invalid response: ${sentence} (code: ${code})`;
const updated = (sentence: string, code = 400): string =>
  `Failed to update the instance my-instance: invalid response: ${sentence} (code: ${code})`;
const bound = (sentence: string, code: number, status = 'up', app = 'my-app'): string =>
  `Failed to bind the instance "prometheus/my-instance" to the app "${app}": invalid response: ${sentence} (code: ${code}) ("my-instance" is ${status})`;
const wayOut = (flags: string): string =>
  ` Tsuru keeps what was refused and sends it with each update: give another value, or run "${UPDATE} ${flags}".`;

type Before = (stage: Stage) => unknown;

const nothing: Before = () => undefined;
const isUp: Before = async (stage) => {
  await stage.createApp('my-app');
  await expect(stage.add(), 201);
  await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
};
const isUpAnd =
  (...steps: readonly Before[]): Before =>
  async (stage) => {
    for (const step of [isUp, ...steps]) await step(stage);
  };
const isBound: Before = (stage) => expect(stage.bind('my-app'), 200);
const fault =
  (method: string, path: string, status: number, body: string): Before =>
  ({ tsuru }) =>
    tsuru.faults.add({ kind: 'status', status, body: `${body}\n`, method, path });
const isAway = 'mongo is away';
const appIsGone: Before = ({ admin }) => expect(admin.call('DELETE', `/1.0/apps/${APP}`), 200);
const tokenIsGone: Before = ({ admin }) => expect(admin.call('DELETE', `/1.6/tokens/${APP}`), 200);
const passwordIsWrong: Before = ({ tsuru, broker }) => {
  tsuru.addService({ name: 'prometheus', endpoint: broker.url, ...AUTH, password: 'of-another-manifest' });
};

/** What each command is refused with. */
const REFUSED: readonly (readonly [command: string, when: string, before: Before, reads: string])[] = [
  [
    `${ADD} -t shop --plan-param retention=banana`,
    'a value cannot be',
    nothing,
    created('retention=banana cannot be used: it must be a duration from 1h to 10y.'),
  ],
  [
    `${ADD} -t shop --plan-param retentoin=3d`,
    'a name is misspelt',
    nothing,
    created('retentoin is not a setting, did you mean "retention"?'),
  ],
  [
    `${ADD} -t shop --plan-param storage_size=1GB`,
    'it is a matter of the plan',
    nothing,
    created('storage_size is a matter of the plan: choose another plan.'),
  ],
  [
    `${ADD} -t shop --plan-param remote_write=not a url`,
    'an endpoint is no URL',
    nothing,
    created('remote_write must be URLs that start with http:// or https://, or a list of maps in YAML.'),
  ],
  [
    `${ADD} -t shop --plan-param pool=elsewhere`,
    'there is no such pool',
    nothing,
    created('There is no pool elsewhere: choose one of "tsuru pool-list" with --plan-param pool=NAME.'),
  ],
  [`${ADD} smal -t shop`, 'the plan is misspelt', nothing, created('There is no plan "smal", did you mean "small"?')],
  [
    `${ADD} cheapest -t shop`,
    'there is no such plan',
    nothing,
    created('There is no plan "cheapest": there are small, medium, large.'),
  ],
  [
    `${ADD} -t shop`,
    'somebody has an app of its name',
    (stage) => stage.createApp(APP),
    created(`There is an app ${APP} already, which belongs to somebody else: choose another name for the instance.`),
  ],
  [
    `${ADD} -t shop`,
    'the quota is used up',
    fault('POST', '/apps', 403, 'Quota exceeded. Available: 0, Requested: 1.'),
    created(
      'The team shop has as many apps as its quota allows: remove one, or ask an administrator to raise the quota ("tsuru team-quota-change").',
      403,
    ),
  ],
  [
    `${ADD} -t shop`,
    'Tsuru fails',
    fault('POST', '/apps', 500, isAway),
    created(
      'Tsuru failed to make the instance: try again, and tell an administrator if it fails again. (request ID)',
      500,
    ),
  ],
  [
    `${UPDATE} --plan-param retention=banana`,
    'a value cannot be',
    isUp,
    updated(
      `retention=banana cannot be used: it must be a duration from 1h to 10y.${wayOut('--remove-param retention')}`,
    ),
  ],
  [
    `${UPDATE} -p smal`,
    'the plan is misspelt',
    isUp,
    updated(`There is no plan "smal", did you mean "small"?${wayOut('-p small')}`),
  ],
  [
    `${UPDATE} --plan-param pool=elsewhere`,
    'it would move',
    isUp,
    updated(
      `The instance runs in the pool dev, which cannot be changed: add another instance in elsewhere.${wayOut('--remove-param pool')}`,
    ),
  ],
  [
    `${UPDATE} -d new`,
    'its app is gone',
    isUpAnd(appIsGone),
    updated(`The app ${APP} of this instance is gone: run "${REMOVE}" and add it again.`, 410),
  ],
  [
    `${BIND} -a my-app`,
    'its app is gone',
    isUpAnd(appIsGone),
    bound(
      `The app ${APP} of this instance is gone: run "${REMOVE}" and add it again.`,
      410,
      `gone: its app ${APP} was removed, or belongs to somebody else; run "${REMOVE}" and add it again`,
    ),
  ],
  [
    `${BIND} -a ${APP}`,
    'it is its own app',
    isUp,
    bound(`${APP} is this instance's own app, which it scrapes anyway: bind another app.`, 400, 'up', APP),
  ],
  [
    `${BIND} -a my-app`,
    'its token was deleted',
    isUpAnd(tokenIsGone),
    bound(
      `The token ${APP} of this instance is gone, and is made again within two minutes: bind again then. (request ID)`,
      503,
      `degraded: it may not read ${APP}: the grant was taken away, and comes back within two minutes; see "${INFO}"; it is up`,
    ),
  ],
  [
    `${BIND} -a my-app`,
    'Tsuru fails',
    isUpAnd(fault('POST', '/roles/prometheus-reader/token', 500, isAway)),
    bound(
      'Tsuru failed to let my-instance read my-app: try again, and tell an administrator if it fails again. (request ID)',
      500,
    ),
  ],
  [
    `${BIND} -a my-app`,
    'the broker lacks a permission',
    isUpAnd(fault('POST', '/roles/prometheus-reader/token', 403, "You don't have permission to do this action")),
    bound(
      "The service's own token lacks the permission role.update.assign or app.read.info for the call role_assign, without which it cannot let my-instance read my-app: tell an administrator. (request ID)",
      500,
    ),
  ],
  [
    `${BIND} --job my-job`,
    'it is a job',
    isUpAnd(({ admin }) =>
      expect(admin.call('POST', '/1.13/jobs', { json: { name: 'my-job', teamOwner: 'shop', pool: 'dev' } }), 201),
    ),
    'Failed to bind the instance "prometheus/my-instance" to the job "my-job": invalid response: Jobs cannot be bound: their units end before they could be scraped; bind an app. (code: 400) ("my-instance" is up)',
  ],
  [
    `${BIND} -a my-app`,
    'the manifest has another password',
    isUpAnd(passwordIsWrong),
    'Failed to bind the instance "prometheus/my-instance" to the app "my-app": invalid response: The user or password of this service is not right: an administrator has to correct the manifest and run "tsuru service-update". (code: 401) (failed to retrieve instance status: Failed to get status of instance my-instance: invalid response: The user or password of this service is not right: an administrator has to correct the manifest and run "tsuru service-update". (code: 401))',
  ],
  [
    UNBIND,
    'Tsuru fails',
    isUpAnd(isBound, fault('DELETE', `/roles/prometheus-reader/token/${APP}`, 500, isAway)),
    'Failed to unbind ("/resources/my-instance/bind-app"): invalid response: Tsuru failed to take my-app from my-instance: try again, and tell an administrator if it fails again. (request ID) (code: 500)',
  ],
  [
    `${REMOVE} -y`,
    'Tsuru fails',
    isUpAnd(fault('DELETE', `/volumes/${APP}`, 500, isAway)),
    `Failed to destroy the instance my-instance: invalid response: Tsuru failed to remove the volume ${APP}: try again, and tell an administrator if it fails again. Still there: the volume ${APP}; remove the instance again. (request ID) (code: 500)`,
  ],
];

const WELL = { ready: true, problems: [], sync: { inSync: true }, prometheus: { ready: true }, apps: [] };
const answering =
  (more: object): AgentScript =>
  () => ({ status: 200, body: JSON.stringify({ ...WELL, ...more }) });
const units = (...healths: readonly string[]): object => ({
  apps: [
    {
      name: 'my-app',
      units: healths.map((health, index) => ({
        ...{ unit: `my-app-web-${index}`, process: 'web', status: 'started', version: '1', health },
        ...(health === 'down' ? { lastError: 'connection refused' } : {}),
      })),
      problems: [],
    },
  ],
});

/** What info tells of an instance in each state: its problems, what is not in force, and the status. */
const TOLD: readonly (readonly [
  when: string,
  agent: AgentScript | undefined,
  before: Before,
  reads: readonly string[],
])[] = [
  ['it is up', answering(units('up', 'up')), isUpAnd(isBound), ['Units up: my-app 2/2', 'is up']],
  [
    'two of three targets are down',
    answering(units('down', 'up', 'down')),
    isUpAnd(isBound),
    [
      'Problems: my-app-web-0: connection refused; my-app-web-2: connection refused',
      'Units up: my-app 1/3 !',
      `is degraded: 2 of 3 targets are down; see "${INFO}"; it is up`,
    ],
  ],
  [
    'its agent has two problems',
    answering({ problems: ['Tsuru refused the token (since 10:00)', 'the disk is full'] }),
    isUp,
    [
      'Problems: Tsuru refused the token (since 10:00); the disk is full',
      `is degraded: Tsuru refused the token (since 10:00) (and 1 more problem); see "${INFO}"; it is up`,
    ],
  ],
  [
    'its agent is not ready, and says why',
    answering({ ready: false, problems: ['Prometheus replays its log'] }),
    isUp,
    ['Problems: not ready: Prometheus replays its log', 'is not ready: Prometheus replays its log'],
  ],
  [
    'its agent answers nonsense',
    () => ({ status: 502, body: '<html>' }),
    isUp,
    [
      `Problems: not answering (it answers 502): see "tsuru app-log -a ${APP}"`,
      `is not answering (it answers 502): see "tsuru app-log -a ${APP}"`,
    ],
  ],
  [
    'its app is gone',
    undefined,
    isUpAnd(appIsGone),
    [
      `Problems: gone: its app ${APP} was removed, or belongs to somebody else; run "${REMOVE}" and add it again`,
      `is gone: its app ${APP} was removed, or belongs to somebody else; run "${REMOVE}" and add it again`,
    ],
  ],
  [
    'it is stopped',
    undefined,
    isUpAnd(({ admin }) => expect(admin.call('POST', `/1.0/apps/${APP}/stop`, { form: {} }), 200)),
    [`Problems: stopped: run "tsuru app-start -a ${APP}"`, `is stopped: run "tsuru app-start -a ${APP}"`],
  ],
  [
    'it has two units',
    undefined,
    isUpAnd(({ admin }) =>
      expect(admin.call('PUT', `/1.0/apps/${APP}/units`, { form: { units: 1, process: 'web' } }), 200),
    ),
    [
      `Problems: 2 units hold separate data behind one address; run "tsuru unit-remove 1 -a ${APP}"`,
      `is degraded: 2 units hold separate data behind one address; run "tsuru unit-remove 1 -a ${APP}"; it is up`,
    ],
  ],
  [
    'an update was refused',
    undefined,
    isUpAnd((stage) => stage.update('my-instance', { 'parameters.retention': 'banana' })),
    [`Not in force: retention: give another value, or run "${UPDATE} --remove-param retention"`, 'is up'],
  ],
  [
    'a grant was taken away',
    undefined,
    isUpAnd(isBound, ({ admin }) =>
      expect(admin.call('DELETE', `/1.6/roles/prometheus-reader/token/${APP}?context=my-app`), 200),
    ),
    [
      'Problems: it may not read my-app: the grant was taken away, and comes back within two minutes',
      'Units up: my-app',
      `is degraded: it may not read my-app: the grant was taken away, and comes back within two minutes; see "${INFO}"; it is up`,
    ],
  ],
  [
    'its password was unset',
    undefined,
    isUpAnd(({ admin }) => admin.call('DELETE', `/1.0/apps/${APP}/env?env=GATEWAY_PASSWORD&noRestart=true`)),
    [
      'Problems: its password was unset; a new one is set within two minutes',
      'is degraded: its password was unset; a new one is set within two minutes; it is up',
    ],
  ],
];

/** Of the sentences alone: what Tsuru says around them may be long. */
const LONGEST = 330;

describe('a user who types', { concurrency: 3 }, () => {
  for (const [command, when, before, reads] of REFUSED) {
    it(`${command}, when ${when}, reads the sentence that helps`, async () => {
      await using stage = await startStage({ reconciles: false });
      await before(stage);
      const asked = await type(stage, command);
      const last = asked.at(-1);
      assert.ok(last !== undefined && last.reply.status >= 400, `${last?.reply.status} ${last?.reply.body}`);
      const shown = shownError(last, '').replace(/^Error: \w+ "[^"]*": /, '');
      const text = shown.trimEnd().replace(/\(request [\w-]{36}\)/g, '(request ID)');
      assert.equal(text, reads);
      const [sentence = ''] = text.split('invalid response: ').slice(1).join().split(' (code: ');
      assert.ok(sentence.length < LONGEST && !/[\n{}<>]|\/prometheus\/|undefined/.test(text), text);
    });
  }

  for (const [when, agent, before, reads] of TOLD) {
    it(`${INFO}, when ${when}, reads what is wrong, and what helps`, async () => {
      await using stage = await startStage({ reconciles: false });
      await before(stage);
      if (agent !== undefined) stage.say(agent);
      const [info, status] = await type(stage, INFO);
      assert.ok(info !== undefined && status !== undefined);
      const lines = shownInfo('prometheus', 'my-instance', info.reply, status.reply);
      const told = lines.filter((line) => /^(Problems|Not in force|Units up|Status): /.test(line));
      assert.deepEqual(
        told.map((line) => line.replace('Status: Service instance "my-instance" ', '')),
        reads,
      );
    });
  }

  it('the command that a refused update names can update again', async () => {
    await using stage = await startStage({ reconciles: false });
    await isUp(stage);
    const refused = (await type(stage, `${UPDATE} --plan-param retention=banana`)).at(-1);
    const [, command = ''] = /run "([^"]+)"/.exec(refused?.reply.body ?? '') ?? [];
    for (const next of [command, `${UPDATE} --plan-param retention=3d`]) {
      const { status, body } = (await type(stage, next)).at(-1)?.reply ?? { status: 0, body: '' };
      assert.equal(status, 200, `${next}: ${body}`);
    }
  });
});

function type(stage: Stage, command: string): ReturnType<typeof runCommand> {
  return runCommand(stage.admin, command, { name: 'prometheus', endpoint: stage.broker.url, ...AUTH });
}
