import { setTimeout as wait } from 'node:timers/promises';
import { errorText } from '../../agent/shared/text.ts';
import type { ActiveTarget, PrometheusView } from '../support/prometheus.ts';

export interface WatchOptions {
  readonly say: (line: string) => void;
  readonly show: (targets: readonly ActiveTarget[]) => void;
  readonly everyMs: number;
}

/** Shows the targets again whenever they or their health change, until the signal aborts. Prometheus may be away for a while. */
export async function watch(
  prometheus: Pick<PrometheusView, 'targets'>,
  { say, show, everyMs }: WatchOptions,
  signal: AbortSignal,
): Promise<void> {
  let shown = '';
  let isAway = false;
  for (;;) {
    await wait(everyMs, undefined, { signal });
    let targets: readonly ActiveTarget[];
    try {
      targets = await prometheus.targets();
    } catch (error) {
      if (!isAway) say(`\nPrometheus is away (${errorText(error)}); the demo waits for it.`);
      isAway = true;
      continue;
    }
    if (isAway) say('Prometheus is back.');
    isAway = false;
    const picture = JSON.stringify(targets.map(({ instance, health }) => [instance, health]));
    if (shown !== '' && picture !== shown) show(targets);
    shown = picture;
  }
}
