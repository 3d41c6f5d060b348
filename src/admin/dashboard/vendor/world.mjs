// Draws the world for the dashboard: stdout gets
//   {"width", "height", "shapes": {"FR": "M..."}, "dots": {"SG": [x, y]}}
// in the Natural Earth projection, in whole units, by ISO 3166-1 alpha-2 code. Run by `update`.
//
// Shapes are Natural Earth's 1:110m. What has none at that scale (Singapore, Malta, Réunion) is a
// dot where it lies, so that its guests are on the map too.

import { readFileSync } from "node:fs";
import { geoCentroid, geoNaturalEarth1, geoPath } from "d3-geo";
import { feature, merge } from "topojson-client";
import iso from "i18n-iso-countries";

const WIDTH = 1600;

const read = (name) => JSON.parse(readFileSync(`node_modules/world-atlas/${name}.json`, "utf8"));

// Natural Earth draws some lands apart that have no code of their own; addresses there are given
// to the country that has one. XK is what everybody uses for Kosovo.
const BY_NAME = { Kosovo: "XK", "N. Cyprus": "CY", Somaliland: "SO" };

// Lands with a code that Natural Earth draws as part of another country or not at all at 1:50m.
const BY_HAND = {
  BQ: [-68.26, 12.2], BV: [3.4, -54.4], CC: [96.9, -12.1], CX: [105.6, -10.5], GI: [-5.35, 36.14],
  GP: [-61.5, 16.2], MQ: [-61.0, 14.7], RE: [55.5, -21.1], SJ: [18.0, 78.5], TK: [-171.8, -9.2],
  TV: [179.2, -8.5], YT: [45.2, -12.8],
};

const code = (shape) =>
  BY_NAME[shape.properties.name] ?? (shape.id && iso.numericToAlpha2(shape.id)) ?? undefined;

function byCode(topology) {
  const groups = new Map();
  for (const shape of topology.objects.countries.geometries) {
    const key = code(shape);
    // Hardly anybody browses from Antarctica, and it would take a fifth of the height.
    if (!key || key === "AQ") continue;
    groups.set(key, [...(groups.get(key) ?? []), shape]);
  }
  return new Map([...groups].map(([key, shapes]) => [key, merge(topology, shapes)]));
}

const countries = byCode(read("countries-110m"));

// French Guiana has its own code and is drawn as a part of France.
const france = countries.get("FR");
const american = ([ring]) => ring[0][0] < -30;
countries.set("GF", { type: "MultiPolygon", coordinates: france.coordinates.filter(american) });
countries.set("FR", {
  type: "MultiPolygon",
  coordinates: france.coordinates.filter((polygon) => !american(polygon)),
});

const all = { type: "GeometryCollection", geometries: [...countries.values()] };
// Turned by 11 degrees: the map's edge runs through the Bering Strait, not through Chukotka.
const projection = geoNaturalEarth1().rotate([-11, 0]).fitWidth(WIDTH, all); 
const [, [, bottom]] = geoPath(projection).bounds(all);

// Whole units and steps from the point before: a third of the bytes.
function compact(path) {
  let out = "";
  for (const ring of path.split("M").filter(Boolean)) {
    const points = ring.replace("Z", "").split("L").map((point) => point.split(",").map(Math.round));
    const [first, ...rest] = points;
    let [x, y] = first;
    let steps = "";
    for (const [nextX, nextY] of rest) {
      const [stepX, stepY] = [nextX - x, nextY - y];
      if (stepX === 0 && stepY === 0) continue;
      steps += `${steps && stepX >= 0 ? " " : ""}${stepX}${stepY >= 0 ? " " : ""}${stepY}`;
      [x, y] = [nextX, nextY];
    }
    if (steps) out += `M${first[0]} ${first[1]}l${steps}z`;
  }
  return out;
}

const draw = geoPath(projection);
const shapes = {};
for (const [key, shape] of [...countries].sort()) shapes[key] = compact(draw(shape));

const dots = {};
const place = (key, coordinates) => {
  if (shapes[key]) return;
  const [x, y] = projection(coordinates);
  // The width is that of the shapes: islands by the date line would lie a little outside.
  dots[key] = [Math.min(Math.max(x, 8), WIDTH - 8), y].map(Math.round);
};
for (const [key, shape] of [...byCode(read("countries-50m"))].sort()) place(key, geoCentroid(shape));
for (const [key, coordinates] of Object.entries(BY_HAND)) place(key, coordinates);

process.stdout.write(JSON.stringify({ width: WIDTH, height: Math.ceil(bottom), shapes, dots }) + "\n");
