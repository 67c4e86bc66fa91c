import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '../../agent/shared/clock.ts';
import { expect } from '../support/instance.ts';
import { until } from '../support/until.ts';
import { APP, AUTH, startStage, type Stage } from './stage.ts';

const SPEED = 20;
/** Waits of a minute become seconds. */
const fast = { ...systemClock, sleep: (ms: number, signal: AbortSignal) => systemClock.sleep(ms / SPEED, signal) };
/** Pauses of chance are short. */
const eager = { ...systemClock, random: () => 0.1 };
const LOCKED = 'event locked: app(x) running "app.update" start by user a at 2026-11-23T04:16:49Z\n';

const deployPath = (app: string): string => `/1.0/apps/${app}/deploy`;
const isUp = async (stage: Stage, name = 'my-instance'): Promise<boolean> =>
  (await stage.status(name)).endsWith('is up');

async function deploysOf({ admin }: Stage): Promise<number> {
  const query = `target.type=app&target.value=${APP}&kindname=app.deploy`;
  return (JSON.parse((await admin.call('GET', `/1.1/events?${query}`)).body) as unknown[]).length;
}

/** Instances whose deploys the broker was to begin when it stopped. */
async function leaveWaiting(stage: Stage, names: readonly string[]): Promise<void> {
  const unlocks = names.map((name) =>
    stage.tsuru.faults.add({ kind: 'status', status: 500, body: LOCKED, path: `/apps/prometheus-${name}/deploy` }),
  );
  for (const name of names) await expect(stage.add(name), 201);
  await stage.broker.stop();
  for (const unlock of unlocks) unlock();
}

describe('a deploy that another broker begins at the same time', () => {
  it('is followed, instead of one more', async () => {
    // Pauses so long that the other is sure to be first.
    const patient = { ...systemClock, random: () => 0.9 };
    await using stage = await startStage({ clock: patient, tsuru: { locks: { appWaitMs: 50 } } });
    stage.tsuru.delays.startingMs = 2_000;
    const locked = stage.tsuru.faults.add({ kind: 'status', status: 500, body: LOCKED, path: `/apps/${APP}/deploy` });
    await expect(stage.add(), 201);
    locked();
    const form = { image: 'prometheus:1', origin: 'image' };
    const begun = stage.admin.call('POST', deployPath(APP), { form });
    await until('the end', () => stage.lines.some((line) => line.includes(`${APP} is deployed`)), 20_000);
    await expect(begun, 200);
    assert.equal(await deploysOf(stage), 1);
  });
});

describe('a deploy that was never begun', () => {
  it('is begun later by the same broker when Tsuru refused it after the answer to the user', async () => {
    await using stage = await startStage({ clock: fast });
    const path = `/apps/${APP}/deploy`;
    stage.tsuru.faults.add({ kind: 'latency', ms: 1_000, method: 'POST', path, times: 1 });
    stage.tsuru.faults.add({ kind: 'status', status: 500, body: 'mongo', method: 'POST', path, times: 1 });
    await expect(stage.add(), 201);
    await until('the refusal', () => stage.lines.some((line) => line.includes(`the deploy of ${APP} failed`)));
    await until('the instance to be up', () => isUp(stage), 20_000);
  });

  it('delays no other', async () => {
    await using stage = await startStage({ clock: eager });
    await leaveWaiting(stage, ['first', 'second']);
    const path = '/apps/prometheus-first/deploy';
    stage.tsuru.faults.add({ kind: 'status', status: 500, body: 'mongo', method: 'POST', path, times: 1 });
    const next = await stage.startBroker();
    stage.tsuru.addService({ name: 'prometheus', endpoint: next.url, ...AUTH });
    await until('the second to be up', () => isUp(stage, 'second'));
  });

  it('is begun also when its team has given its app other tags meanwhile', async () => {
    await using stage = await startStage({ clock: eager });
    await leaveWaiting(stage, ['my-instance']);
    const json = { tags: ['cost=1'], noRestart: true };
    await expect(stage.admin.call('PUT', `/1.0/apps/${APP}`, { json }), 200);
    const next = await stage.startBroker();
    stage.tsuru.addService({ name: 'prometheus', endpoint: next.url, ...AUTH });
    await until('the instance to be up', () => isUp(stage));
  });

  it('is begun by one of two brokers that start at once', async () => {
    // Each is a second later than the one before, whoever asks.
    let chances = 0;
    const random = (): number => Math.min(0.2 * chances++, 0.9);
    await using stage = await startStage({ clock: { ...systemClock, random } });
    await leaveWaiting(stage, ['my-instance']);
    // Longer than the second waits on a busy machine, or it would find the deploy done and not ask for it.
    stage.tsuru.delays.startingMs = 8_000;
    stage.tsuru.requests.clear();
    chances = 0;
    await Promise.all([stage.startBroker(), stage.startBroker()]);
    // The first asks for it before it begins, and the second only to see that.
    await until('both to have looked', () => stage.tsuru.requests.count('GET', '/1.1/events') >= 4);
    await until('the end', () => stage.lines.some((line) => line.includes(`${APP} is deployed`)));
    assert.equal(await deploysOf(stage), 1);
  });

  it('is not begun for an app that only has the tag', async () => {
    await using stage = await startStage({ clock: fast });
    await expect(stage.add(), 201);
    await until('the instance to be up', () => isUp(stage));
    const json = {
      name: 'foreign',
      teamOwner: 'ops',
      pool: 'dev',
      tags: ['prometheus-instance=prometheus/my-instance'],
    };
    await expect(stage.admin.call('POST', '/1.0/apps', { json }), 201);
    const env = { Envs: [{ Name: 'TSURU_TOKEN', Value: 'x' }], NoRestart: true };
    await expect(stage.admin.call('POST', '/1.0/apps/foreign/env', { json: env }), 200);
    stage.tsuru.requests.clear();
    await stage.startBroker();
    await until('brokers to look twice', () => stage.tsuru.requests.count('GET', '/1.0/apps') >= 4, 20_000);
    assert.equal(stage.tsuru.requests.count('POST', deployPath('foreign')), 0);
  });

  it('is not taken for that of an earlier instance of the same name', async () => {
    await using stage = await startStage();
    await expect(stage.add(), 201);
    await until('the instance to be up', () => isUp(stage));
    await expect(stage.remove(), 200);
    const { faults } = stage.tsuru;
    faults.add({ kind: 'status', status: 500, method: 'POST', path: `/apps/${APP}/deploy` });
    faults.add({ kind: 'status', status: 500, method: 'DELETE' });
    assert.equal((await stage.add()).status, 500);
    faults.clear();
    await expect(stage.add(), 201);
    await until('the instance to be up', () => isUp(stage));
  });

  it('is begun after an earlier instance of the same name, too', async () => {
    await using stage = await startStage({ clock: eager });
    await expect(stage.add(), 201);
    await until('the instance to be up', () => isUp(stage));
    await expect(stage.remove(), 200);
    await leaveWaiting(stage, ['my-instance']);
    const next = await stage.startBroker();
    stage.tsuru.addService({ name: 'prometheus', endpoint: next.url, ...AUTH });
    await until('the instance to be up', () => isUp(stage));
  });
});
