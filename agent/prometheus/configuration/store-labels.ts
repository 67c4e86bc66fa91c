import { INSTANCE_LABEL, REPLICA_LABEL } from '../../shared/settings/labels.ts';
import type { RelabelConfig } from '../../shared/settings/relabel.ts';
import type { Store } from '../../shared/settings/store.ts';

/** Who sends. */
export interface Sender {
  /** The unit. */
  readonly replica: string;
  /** The app of the instance, the same for all of its units. */
  readonly instance: string;
}

/** The label that Mimir, Cortex and AMP compare: samples of only one replica per cluster are stored. */
const CLUSTER_LABEL = 'cluster';
const HA_REPLICA_LABEL = '__replica__';

/**
 * What follows the write_relabel_configs of a remote_write to such a store. They count for this receiver alone, so that each can be of another
 * kind. All series have the external label prometheus_replica before, which is all that a receiver of unknown kind gets.
 *
 * - VictoriaMetrics removes duplicates of identical series only: no label of the unit.
 * - Thanos removes duplicates when it is asked, by `--query.replica-label=prometheus_replica`.
 * - Mimir, Cortex and AMP take one unit's samples and drop the other's. Two instances with one `cluster` would drop each other's, so it is
 *   always the instance; what an app or external_labels say there is `exported_cluster`, as in a scrape.
 */
export function storeLabels(store: Store | undefined, { replica, instance }: Sender): readonly RelabelConfig[] {
  const named = setLabel(INSTANCE_LABEL, instance);
  switch (store) {
    case undefined:
      return [];
    case 'thanos':
      return [named];
    case 'victoriametrics':
      return [named, dropLabel(REPLICA_LABEL)];
    case 'mimir':
    case 'cortex':
    case 'amp':
      return [
        { source_labels: [CLUSTER_LABEL], regex: '(.+)', target_label: `exported_${CLUSTER_LABEL}` },
        setLabel(CLUSTER_LABEL, instance),
        setLabel(HA_REPLICA_LABEL, replica),
        dropLabel(REPLICA_LABEL),
      ];
  }
}

/** A $ would name a group of the regular expression. */
function setLabel(name: string, value: string): RelabelConfig {
  return { target_label: name, replacement: value.replaceAll('$', '$$$$') };
}

function dropLabel(name: string): RelabelConfig {
  return { action: 'labeldrop', regex: name };
}
