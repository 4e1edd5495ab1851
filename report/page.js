// What the pages do beyond what they show: claims are filtered, and a seed's value is read out where it is pointed at.

// A select of a form.filter hides what has another value in its section: one named `word` goes by data-word, which may list several.
for (const form of document.querySelectorAll("form.filter")) {
  const rows = form.closest("section").querySelectorAll("[data-study], [data-dataset]");
  const show = () => {
    const wanted = Object.entries(Object.fromEntries(new FormData(form))).filter(([, value]) => value);
    for (const row of rows)
      row.hidden = !wanted.every(([key, value]) => (row.dataset[key] ?? value).split(" | ").includes(value));
    form.querySelector("output").value = wanted.length
      ? `${[...rows].filter((row) => row.dataset.word && !row.hidden).length} shown` : "";
  };
  form.hidden = false;
  form.addEventListener("change", show);
  show();
}

// One stop of the tab key for each drawing; the arrow keys go from seed to seed.
for (const drawing of document.querySelectorAll(".drawing")) {
  const seeds = [...drawing.querySelectorAll("[data-seed]")];
  if (!seeds.length) continue;
  const said = drawing.appendChild(document.createElement("output"));
  seeds.forEach((seed, index) => {
    seed.tabIndex = index ? -1 : 0;
    const tell = () => { said.value = seed.dataset.seed; };
    seed.addEventListener("focus", tell);
    seed.addEventListener("pointerenter", tell);
    seed.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const next = step && seeds[index + step];
      if (!next) return;
      event.preventDefault();
      seed.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
  });
}
