// Writes delphes.root and vectors.root beside this file, which uproot can't write: Delphes' TClonesArrays of objects with
// fixed-size arrays and references, and nested vectors. Run with ROOT 6: root -l -b -q make_root_files.C
#include "TClonesArray.h"
#include "TFile.h"
#include "TLorentzVector.h"
#include "TProcessID.h"
#include "TRef.h"
#include "TRefArray.h"
#include "TTree.h"
#include <string>
#include <vector>

// Members as in Delphes' classes/DelphesClasses.h, only fewer.
class Event : public TObject { public: Long64_t Number; Float_t Weight; ClassDef(Event, 1) };
class MissingET : public TObject { public: Float_t MET; Float_t Eta; Float_t Phi; ClassDef(MissingET, 1) };
class Tower : public TObject { public: Float_t ET; Float_t Eta; Float_t Phi; Float_t E; Float_t Edges[4]; ClassDef(Tower, 1) };
class Muon : public TObject { public: Float_t PT; Float_t Eta; Float_t Phi; Int_t Charge; TRef Particle; ClassDef(Muon, 1) };
class Jet : public TObject { public: Float_t PT; Float_t Eta; Float_t Phi; Float_t Mass; UInt_t BTag; Float_t Tau[5];
  TLorentzVector SoftDroppedP4[5]; TRefArray Constituents; TLorentzVector Area; ClassDef(Jet, 1) };

void write_delphes() {
  TFile file("delphes.root", "RECREATE");
  TTree tree("Delphes", "Analysis tree");
  TClonesArray event("Event"), met("MissingET"), tower("Tower"), muon("Muon"), jet("Jet");
  Int_t event_size = 1, met_size = 1, tower_size, muon_size, jet_size;
  auto add = [&](const char *name, TClonesArray *&array, Int_t *size) {
    tree.Branch(name, &array, 64000, 99);
    tree.Branch(TString(name) + "_size", size, TString(name) + "_size/I");
  };
  TClonesArray *e = &event, *m = &met, *t = &tower, *u = &muon, *j = &jet;
  add("Event", e, &event_size); add("Tower", t, &tower_size); add("FatJet", j, &jet_size);
  add("Muon", u, &muon_size); add("MissingET", m, &met_size);
  for (int i = 0; i < 12; ++i) {
    event.Clear(); met.Clear(); muon.Clear(); tower.Delete(); jet.Delete();
    TProcessID::SetObjectCount(0);
    auto head = (Event *)event.ConstructedAt(0);
    head->Number = i; head->Weight = 1;
    auto missing = (MissingET *)met.ConstructedAt(0);
    missing->MET = 10 * i; missing->Eta = 0; missing->Phi = 0.5;
    tower_size = i % 5 + 2; jet_size = i % 3; muon_size = i % 2;
    for (int k = 0; k < tower_size; ++k) {
      auto cell = (Tower *)tower.ConstructedAt(k);
      cell->ET = cell->E = k + 1; cell->Eta = cell->Phi = 0;
      for (int q = 0; q < 4; ++q) cell->Edges[q] = q;
    }
    for (int k = 0; k < jet_size; ++k) {  // jet k of n has every n-th tower, from the k-th on
      auto fat = (Jet *)jet.ConstructedAt(k);
      fat->PT = 100 * (i + 1) - k; fat->Eta = 0.1 * k; fat->Phi = 1; fat->Mass = 90; fat->BTag = k;
      for (int q = 0; q < 5; ++q) fat->Tau[q] = 1. / (q + 1) + k;
      for (int q = k; q < tower_size; q += jet_size) fat->Constituents.Add(tower.At(q));
    }
    for (int k = 0; k < muon_size; ++k) {
      auto lepton = (Muon *)muon.ConstructedAt(k);
      lepton->PT = 20; lepton->Eta = lepton->Phi = 0; lepton->Charge = -1; lepton->Particle = tower.At(0);
    }
    tree.Fill();
  }
  file.Write();
}

void write_vectors() {
  TFile file("vectors.root", "RECREATE");
  TTree tree("t", "t");
  int n;
  float var[10], rows[10][2], fixed[3], grid[2][3], deep[2][2][2];
  char letters[5] = "ab";
  struct { float x; int y; } leaves;
  std::string text = "hi";
  std::vector<float> vf;
  std::vector<int> vi;
  std::vector<bool> vb;
  std::vector<std::string> vs;
  std::vector<std::vector<float>> vvf;
  ROOT::VecOps::RVec<float> rvf;
  tree.Branch("n", &n, "n/I"); tree.Branch("var", var, "var[n]/F"); tree.Branch("rows", rows, "rows[n][2]/F");
  tree.Branch("fixed", fixed, "fixed[3]/F"); tree.Branch("grid", grid, "grid[2][3]/F"); tree.Branch("deep", deep, "deep[2][2][2]/F");
  tree.Branch("letters", letters, "letters/C"); tree.Branch("leaves", &leaves, "x/F:y/I"); tree.Branch("text", &text);
  tree.Branch("vf", &vf); tree.Branch("vi", &vi); tree.Branch("vb", &vb); tree.Branch("vs", &vs); tree.Branch("vvf", &vvf);
  tree.Branch("rvf", &rvf);
  for (n = 0; n < 4; ++n) {
    vf.assign(n, 1.5f * n); vi.assign(n, -n); vb.assign(n, true); vs.assign(n, "x"); vvf.clear(); rvf.clear();
    for (int k = 0; k < n; ++k) {
      var[k] = k; rows[k][0] = k; rows[k][1] = -k;
      vvf.push_back(std::vector<float>(k, k + 0.5f)); rvf.push_back(k);
    }
    for (int k = 0; k < 3; ++k) { fixed[k] = n + k; grid[0][k] = k; grid[1][k] = n; }
    for (auto &value : {&deep[0][0][0]}) for (int k = 0; k < 8; ++k) value[k] = k;
    leaves.x = n; leaves.y = -n;
    tree.Fill();
  }
  file.Write();
}

void make_root_files() {
  write_delphes();
  write_vectors();
}
