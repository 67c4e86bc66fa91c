// What tests of the reconciler start from: a stage whose broker's minutes pass in a moment.
import { systemClock, type Clock } from '../../../agent/shared/clock.ts';
import { expect } from '../../support/instance.ts';
import { until } from '../../support/until.ts';
import { APP, AUTH, startStage, type Stage, type StageOptions } from '../stage.ts';

/** A minute passes in a moment. */
const SPEED = 200;
export const HASTY: Clock = {
  ...systemClock,
  nowMs: () => systemClock.nowMs() * SPEED,
  sleep: (ms, signal) => systemClock.sleep(ms / SPEED, signal),
};

/** An instance that is up, with an app bound to it, and another app that nobody has bound. */
export async function startUp(options: StageOptions = {}): Promise<Stage> {
  const stage = await startStage({ clock: HASTY, ...options });
  await stage.createApp('my-app');
  await expect(stage.add(), 201);
  await until('the instance to be up', async () => (await stage.status()).endsWith('is up'));
  await expect(stage.bind('my-app'), 200);
  return stage;
}

export async function annotationOf({ admin }: Stage, name: string): Promise<string | undefined> {
  const { metadata } = JSON.parse((await admin.call('GET', `/1.0/apps/${APP}`)).body) as {
    metadata: { annotations: { name: string; value: string }[] };
  };
  return metadata.annotations.find((item) => item.name === name)?.value;
}

export async function envOf({ admin }: Stage): Promise<ReadonlyMap<string, string>> {
  const variables = JSON.parse((await admin.call('GET', `/1.0/apps/${APP}/env`)).body) as {
    name: string;
    value: string;
  }[];
  return new Map(variables.map(({ name, value }) => [name, value]));
}

export async function unitsOf({ admin }: Stage): Promise<string[]> {
  const { units } = JSON.parse((await admin.call('GET', `/1.0/apps/${APP}`)).body) as { units: { Name: string }[] };
  return units.map(({ Name }) => Name);
}

export async function untilRounds({ broker }: Stage, count: number): Promise<void> {
  const read = async (): Promise<number> => {
    const authorization = `Basic ${Buffer.from(`${AUTH.username}:${AUTH.password}`).toString('base64')}`;
    const page = await (await fetch(`${broker.url}/metrics`, { headers: { authorization } })).text();
    return Number(/^tsuru_broker_reconciler_rounds_total\{outcome="succeeded"\} (\d+)/m.exec(page)?.[1] ?? NaN);
  };
  const before = await read();
  await until(`${count} more rounds`, async () => (await read()) >= before + count);
}
