import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { expect } from '../support/instance.ts';
import { startStage, type Stage } from './stage.ts';

const UPDATE = 'tsuru service-instance-update prometheus my-instance';

/** What is refused, and the flags that end it. */
const REFUSED: readonly (readonly [title: string, form: Readonly<Record<string, string>>, flags: string])[] = [
  ['a value', { 'parameters.retention': 'banana' }, '--remove-param retention'],
  [
    'two values',
    { 'parameters.retention': 'banana', 'parameters.scrape_interval': '1ms', 'parameters.query_timeout': '1m' },
    '--remove-param retention --remove-param scrape_interval',
  ],
  ['a parameter that is not known', { 'parameters.retentoin': '1d' }, '--remove-param retentoin'],
  [
    'two values that contradict each other',
    { 'parameters.scrape_interval': '10s', 'parameters.scrape_timeout': '12s', 'parameters.query_timeout': '1m' },
    '--remove-param scrape_interval --remove-param scrape_timeout',
  ],
  ['another pool', { 'parameters.pool': 'elsewhere' }, '--remove-param pool'],
  ['a word for bind_env', { 'parameters.bind_env': 'perhaps' }, '--remove-param bind_env'],
  ['what is a matter of the plan', { 'parameters.storage_size': '1GB' }, '--remove-param storage_size'],
  ['rules', { 'parameters.rules': 'groups: 3' }, '--remove-param rules'],
  ['an endpoint', { 'parameters.remote_write': 'not a url' }, '--remove-param remote_write'],
  ['a plan', { plan: 'smal' }, '-p small'],
];

async function startUp(): Promise<Stage> {
  const stage = await startStage();
  await expect(stage.add(), 201);
  return stage;
}

describe('a refused update names the command that ends it:', { concurrency: 2 }, () => {
  for (const [title, form, flags] of REFUSED) {
    it(title, async () => {
      await using stage = await startUp();
      const { status, body } = await stage.update('my-instance', form);
      assert.notEqual(status, 200);
      assert.ok(body.includes(`give another value, or run "${UPDATE} ${flags}".`), body);
    });
  }

  it('Tsuru’s refusal of the new plan', async () => {
    await using stage = await startUp();
    const body = 'App plan "c1m2" is not allowed on pool "dev"\n';
    stage.tsuru.faults.add({ kind: 'status', status: 400, body, method: 'PUT', path: '/apps/prometheus-my-instance' });
    const reply = await stage.update('my-instance', { plan: 'medium' });
    assert.match(reply.body, /not allowed in .*choose another plan/);
    assert.ok(reply.body.includes(`or run "${UPDATE} -p small".`), reply.body);
  });

  it('but not after a failure that a retry fixes', async () => {
    await using stage = await startUp();
    stage.tsuru.faults.add({
      kind: 'status',
      status: 500,
      body: 'event throttled\n',
      method: 'PUT',
      path: '/apps/prometheus-my-instance',
    });
    const { body } = await stage.update('my-instance', { plan: 'medium' });
    assert.match(body, /try again in some minutes/);
    assert.doesNotMatch(body, /-p small/);
  });
});
