// Unpacks plotly on the first wish, from the page itself, and draws the figure that was asked for.
let loaded = null;
function load() {
  loaded ??= (async () => {
    const packed = document.getElementById("plotly").textContent;
    const bytes = Uint8Array.from(atob(packed.trim()), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
  })();
  return loaded;
}
for (const button of document.querySelectorAll("button[data-figure]")) {
  if (typeof DecompressionStream === "undefined") continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    button.textContent = "Loading …";
    await load();
    const about = JSON.parse(document.getElementById("data-" + button.dataset.figure).textContent);
    const place = document.getElementById("live-" + button.dataset.figure);
    place.hidden = false;
    await Plotly.newPlot(place, about.data, about.layout, { responsive: true, displayModeBar: false });
    button.remove();
  });
}
