import { capacityOf, type Capacity } from './capacity/capacity.ts';
import { fit } from './capacity/fit.ts';
import type { ScrapeDefaults } from './discovery/annotations.ts';
import { discover, type Discovered, type Discovery, type DiscoveryOptions } from './discovery/discover.ts';
import type { Facts } from './facts.ts';
import type { PlanMemory, ScrapePlan } from './capacity/scrape-plan.ts';
import { unlessSame } from './system/memo.ts';
import type { RenderInput } from './prometheus/configuration/configuration.ts';
import { headerProblem, variablesOf } from './prometheus/configuration/secret-files.ts';
import { flagsOf, launchOf, type LaunchOptions } from './prometheus/process/flags.ts';
import { hasProxy, proxyProblem } from './prometheus/configuration/proxies.ts';
import type { Launch } from './prometheus/process/supervisor.ts';
import type { DesiredProblems } from './report/reporter.ts';
import { withLearnedPaths } from './redirects/learned-paths.ts';
import type { Environment } from './shared/environment.ts';
import type { Settings } from './shared/settings/schema.ts';

/** What is to be, by what is known. */
export interface Desired {
  /** What targets without an interval of their own are scraped with. */
  readonly scrape: ScrapeDefaults;
  /** The targets of all bound apps, before learned paths and capacity; undefined while no app is known. */
  readonly discovered: Discovery | undefined;
  /** What of them is scraped, and how. */
  readonly targets: Discovery | undefined;
  /** How they share what can be held. */
  readonly plan: ScrapePlan | undefined;
  readonly capacity: Capacity | undefined;
  /** What the configuration is made of, beside the base and the rules. */
  readonly configuration: RenderInput;
  /** What the own Prometheus is started with. */
  readonly launch: Launch | undefined;
  readonly problems: DesiredProblems;
}

/** What never changes while the agent runs. */
export interface Fixed {
  readonly environment: Environment;
  /** Of the own Prometheus; undefined for an external one. */
  readonly launch:
    | (Omit<LaunchOptions, 'externalUrl' | 'flags' | 'goMemLimitBytes'> & { readonly lockFlags: readonly string[] })
    | undefined;
}

/**
 * What follows from the facts, and from how targets were planned before, so that a plan differs only where it must. Pure: from the same always
 * the same. Expensive parts are computed only when their facts changed, and are the same object until then.
 */
export function createDesire({
  environment,
  launch: fixed,
}: Fixed): (facts: Facts, before: PlanMemory | undefined) => Desired {
  let known: Discovered = new WeakMap();
  const discoveryOf = unlessSame((settings: Settings): DiscoveryOptions => {
    known = new WeakMap();
    const { scrapeIntervalMs: intervalMs, scrapeTimeoutMs: timeoutMs, targetsPerApp } = settings;
    return { scrape: { intervalMs, timeoutMs }, targetsPerApp };
  });
  const discovered = unlessSame((apps: NonNullable<Facts['apps']>, options: DiscoveryOptions) =>
    discover(apps, options, known),
  );
  const routed = unlessSame(withLearnedPaths);
  const capacities = unlessSame(capacityOf);
  let memory: PlanMemory | undefined;
  const fitted = unlessSame(
    (
      whole: Discovery,
      { budget: { limits }, factor }: Capacity,
      scrape: ScrapeDefaults,
      samples: ReadonlyMap<string, number> | undefined,
      paused: ReadonlyMap<string, string>,
    ) => fit(whole, { limits, factor, scrape, samples, paused, memory }),
  );
  const problemsOf = unlessSame((settings: Settings, features: Facts['features']) => ({
    missingVariables: [...variablesOf(settings)].filter((name) => (environment[name] ?? '') === ''),
    headers: headerProblem(settings, features),
    proxy: proxyProblem(settings, features, hasProxy(environment)),
  }));

  return (facts, before) => {
    memory = before;
    const { apps, settings, features, learned, revivals, address } = facts;
    const options = discoveryOf(settings);
    const all = apps === undefined ? undefined : discovered(apps, options);
    const whole = all === undefined ? undefined : routed(all, learned);
    const held = facts.capacity;
    const capacity =
      held === undefined
        ? undefined
        : capacities(settings, held.memoryLimitBytes, held.volume, held.load, held.layout, held.volumeSteps);
    const planned =
      whole === undefined || held === undefined || capacity === undefined
        ? undefined
        : fitted(whole, capacity, options.scrape, held.samples, held.paused);
    const retentionSizeBytes = capacity === undefined ? settings.retentionSizeBytes : capacity.retentionSizeBytes;
    const goMemLimitBytes = capacity?.budget.goMemLimitBytes;
    return {
      scrape: options.scrape,
      discovered: all,
      targets: planned?.discovery ?? whole,
      plan: planned?.plan,
      capacity,
      configuration: {
        settings,
        features,
        revivals,
        retentionSizeBytes,
        mostSamples: capacity?.mostSeries,
        blockRangeMs: capacity?.budget.layout?.rangeMs,
      },
      launch:
        fixed === undefined
          ? undefined
          : launchOf({
              ...fixed,
              externalUrl: address,
              goMemLimitBytes,
              flags: [
                ...(capacity?.budget.flags ?? []),
                ...fixed.lockFlags,
                ...flagsOf({ settings, features, retentionSizeBytes, goMemLimitBytes }),
              ],
            }),
      problems: { ...problemsOf(settings, features), memory: capacity?.problem },
    };
  };
}
