// The parts of both dashboards, in the types of Grafana's own library: a field that Grafana does not know is an error here.
// "Deprecated" is the first schema of dashboards: the second needs Grafana 12 with a feature switched on, or a later one.
/* eslint-disable @typescript-eslint/no-deprecated */
import * as common from '@grafana/grafana-foundation-sdk/common';
import * as grafana from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as StateTimelineBuilder } from '@grafana/grafana-foundation-sdk/statetimeline';
import { PanelBuilder as GraphBuilder } from '@grafana/grafana-foundation-sdk/timeseries';

/** What users choose at the top: the Prometheus of an instance. */
const DATASOURCE_VARIABLE = 'datasource';
const DATASOURCE = { type: 'prometheus', uid: `\${${DATASOURCE_VARIABLE}}` };
/** Each dashboard links to those with this tag. */
const TAG = 'tsuru-prometheus';
/** Of the 24 columns of a dashboard. */
const GRAPH_COLUMNS = 8;
const GRAPH_ROWS = 8;
const STAT_ROWS = 4;
const WIDTH = 24;

/** What Grafana's editor of variables calls a query for the values of a label. */
const LABEL_VALUES = 1;

interface PanelOptions {
  readonly title: string;
  /** What a reader cannot see in the title. */
  readonly description?: string;
  /** One of Grafana's units. */
  readonly unit?: string;
  /** What is asked, by the legend, which has labels in braces: `{{instance}}`. */
  readonly queries: Readonly<Record<string, string>>;
  /** The scrape interval of these series, where it is not that of the data source. */
  readonly interval?: string;
}

interface StatOptions extends PanelOptions {
  /** From these values on a stat is orange, and red. */
  readonly limits?: readonly [orange: number, red: number];
  /** What is shown for a value instead of the number, and whether that is well. */
  readonly words?: Readonly<Record<string, readonly [text: string, color: string]>>;
}

type Panel = GraphBuilder | StatBuilder | StateTimelineBuilder;

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export interface DashboardOptions {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  /** Behind that of the data source. */
  readonly variables: readonly (grafana.QueryVariableBuilder | grafana.CustomVariableBuilder)[];
  /** Series whose deploys are marked: a selector of `up`. */
  readonly deploysOf: string;
  readonly rows: readonly Row[];
}

export function dashboard({
  uid,
  title,
  description,
  variables,
  deploysOf,
  rows,
}: DashboardOptions): grafana.Dashboard {
  const builder = new grafana.DashboardBuilder(title)
    .uid(uid)
    .description(description)
    .tags([TAG])
    .tooltip(grafana.DashboardCursorSync.Crosshair)
    .time({ from: 'now-1h', to: 'now' })
    .refresh('30s')
    .withVariable(new grafana.DatasourceVariableBuilder(DATASOURCE_VARIABLE).label('Data source').type('prometheus'))
    .annotation(deploys(deploysOf))
    .link(
      new grafana.DashboardLinkBuilder('Prometheus of Tsuru')
        .type(grafana.DashboardLinkType.Dashboards)
        .tags([TAG])
        .keepTime(true)
        .includeVars(true),
    );
  for (const variable of variables) builder.withVariable(variable);
  for (const row of rows) {
    builder.withRow(new grafana.RowBuilder(row.title));
    for (const panel of row.panels) builder.withPanel(panel);
  }
  const built = builder.build();
  return { ...built, panels: (built.panels ?? []).map((panel, index) => ({ ...panel, id: index + 1 })) };
}

/**
 * Marks where a version appears beside an app that was scraped before. The first versions of a new app, and those after a gap, are no deploys
 * that Prometheus saw. The offset is never shorter than the step: no version appears between two looks.
 */
function deploys(selector: string): grafana.AnnotationQueryBuilder {
  const versions = `count by (tsuru_app, tsuru_version) (up{${selector}}`;
  const apps = `count by (tsuru_app) (up{${selector}}`;
  return new grafana.AnnotationQueryBuilder()
    .name('Deploys')
    .enable(true)
    .iconColor('blue')
    .datasource(DATASOURCE)
    .expr(
      `${versions}) unless ${versions} offset $__rate_interval) and on (tsuru_app) ${apps} offset $__rate_interval)`,
    )
    .titleFormat('{{tsuru_app}}: version {{tsuru_version}}')
    .tagKeys('tsuru_app');
}

/** A variable whose values are those of a label; all of them, if `multi`. */
export function labelVariable(
  { name, label, multi = false }: { readonly name: string; readonly label: string; readonly multi?: boolean },
  { of, selector }: { readonly of: string; readonly selector: string },
): grafana.QueryVariableBuilder {
  const query = `label_values(${selector}, ${of})`;
  const variable = new grafana.QueryVariableBuilder(name)
    .label(label)
    .datasource(DATASOURCE)
    .query({ qryType: LABEL_VALUES, query, refId: name })
    .definition(query)
    .refresh(grafana.VariableRefresh.OnTimeRangeChanged)
    .sort(grafana.VariableSort.NaturalAsc);
  // ".*" covers series without the label, too.
  return multi
    ? variable
        .multi(true)
        .includeAll(true)
        .allValue('.*')
        .current({ text: ['All'], value: ['$__all'] })
    : variable;
}

/** A variable with a few values, by the text that is shown for each. The first is chosen. */
export function choice(
  name: string,
  label: string,
  values: Readonly<Record<string, string>>,
): grafana.CustomVariableBuilder {
  const options = Object.entries(values).map(([text, value], index) => ({ text, value, selected: index === 0 }));
  const [first] = options;
  const builder = new grafana.CustomVariableBuilder(name)
    .label(label)
    .values(options.map(({ text, value }) => `${text} : ${value.replaceAll(',', String.raw`\,`)}`).join(','))
    .options(options);
  return first === undefined ? builder : builder.current(first);
}

export function graph(options: PanelOptions): GraphBuilder {
  return withQueries(new GraphBuilder(), options, false)
    .span(GRAPH_COLUMNS)
    .height(GRAPH_ROWS)
    .min(0)
    .lineWidth(1)
    .fillOpacity(10)
    .showPoints(common.VisibilityMode.Never)
    .legend(
      new common.VizLegendOptionsBuilder()
        .displayMode(common.LegendDisplayMode.List)
        .placement(common.LegendPlacement.Bottom)
        .showLegend(true),
    )
    .tooltip(
      new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi).sort(common.SortOrder.Descending),
    );
}

/** One figure each, as of now, in one line. */
export function stats(all: readonly StatOptions[]): readonly StatBuilder[] {
  return all.map((options) => stat(options).span(WIDTH / all.length));
}

function stat(options: StatOptions): StatBuilder {
  const { limits, words } = options;
  const panel = withQueries(new StatBuilder(), options, true)
    .height(STAT_ROWS)
    .colorMode(common.BigValueColorMode.Value)
    .graphMode(common.BigValueGraphMode.None)
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']));
  if (words !== undefined) panel.mappings([mapping(words)]);
  const steps: grafana.Threshold[] = [{ value: null, color: limits === undefined ? 'text' : 'green' }];
  if (limits !== undefined) steps.push({ value: limits[0], color: 'orange' }, { value: limits[1], color: 'red' });
  return panel.thresholds(new grafana.ThresholdsConfigBuilder().mode(grafana.ThresholdsMode.Absolute).steps(steps));
}

/** What was when, as one bar for each series. */
export function timeline(options: PanelOptions & Required<Pick<StatOptions, 'words'>>): StateTimelineBuilder {
  return withQueries(new StateTimelineBuilder(), options, false)
    .span(GRAPH_COLUMNS)
    .height(GRAPH_ROWS)
    .mappings([mapping(options.words)])
    .showValue(common.VisibilityMode.Never)
    .legend(new common.VizLegendOptionsBuilder().showLegend(false));
}

function mapping(words: Required<StatOptions>['words']): grafana.ValueMap {
  const options = Object.entries(words).map(([value, [text, color]], index) => [value, { text, color, index }]);
  return { type: grafana.MappingType.ValueToText, options: Object.fromEntries(options) as grafana.ValueMap['options'] };
}

function withQueries<B extends Panel>(panel: B, options: PanelOptions, isInstant: boolean): B {
  const { title, description, unit = 'short', queries, interval } = options;
  panel.title(title).unit(unit).datasource(DATASOURCE);
  if (description !== undefined) panel.description(description);
  Object.entries(queries).forEach(([legend, expr], index) => {
    const query = new DataqueryBuilder()
      .refId(String.fromCharCode('A'.charCodeAt(0) + index))
      .datasource(DATASOURCE)
      .expr(expr)
      .legendFormat(legend);
    // Grafana's "Min step": with it $__rate_interval is never too short for these series.
    if (interval !== undefined) query.interval(interval);
    panel.withTarget(isInstant ? query.instant() : query.range());
  });
  return panel;
}
