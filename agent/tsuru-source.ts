import type { OwnAddress } from './tsuru/own-address.ts';
import type { FactStore } from './facts.ts';
import type { PollSink } from './tsuru/poller.ts';
import type { Report } from './report/reporter.ts';
import type { InstanceSettings } from './tsuru/instance-settings.ts';
import { SETTINGS_ANNOTATION } from './shared/settings/settings.ts';
import type { Publisher } from './targets/publisher.ts';

export interface TsuruSourceOptions {
  readonly facts: FactStore;
  readonly publisher: Publisher;
  readonly address: OwnAddress;
  readonly settings: InstanceSettings;
  readonly report: Report;
  /** Milliseconds that only go forward. */
  readonly nowMs: () => number;
}

/** Takes what polls of Tsuru find out: the apps, and of this instance's own app its address and its settings. */
export interface TsuruSource {
  readonly sink: PollSink;
  /** Resolves once the first poll has ended, and its settings are in force or refused. */
  readonly firstPoll: Promise<void>;
  /** How long ago the next poll was due; below 0 while it is not. */
  readonly overdueMs: () => number;
}

export function createTsuruSource(options: TsuruSourceOptions): TsuruSource {
  const { facts, publisher, address, settings, report, nowMs } = options;
  let nextPollAtMs = nowMs();
  let offered: Promise<void> = Promise.resolve();
  const polled = Promise.withResolvers<undefined>();

  async function offer(told: string, annotation: string | undefined): Promise<void> {
    report({ kind: 'address', problem: await address.offer(told) });
    facts.patch({ address: address.url() });
    await settings.offer(annotation);
    facts.patch({ settings: settings.current() });
  }

  return {
    sink: {
      async publish(apps, seenAtMs) {
        facts.patch({ apps, seenAtMs });
        facts.flush();
        await publisher.settled();
      },
      explain: publisher.explain,
      ownApp(app) {
        report({ kind: 'own_app', app });
        if (app?.address !== undefined) offered = offer(app.address, app.app.annotations[SETTINGS_ANNOTATION]);
      },
      report(event) {
        if (event.kind === 'wait') nextPollAtMs = nowMs() + event.waitMs;
        report(event);
        if (event.kind === 'poll') polled.resolve(undefined);
      },
      changedAtMs: publisher.changedAtMs,
      writePending: publisher.writePending,
    },
    firstPoll: polled.promise.then(() => offered),
    overdueMs: () => nowMs() - nextPollAtMs,
  };
}
